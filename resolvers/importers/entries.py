"""Rows of LDIF files: people become users, and the groups that name them their groups."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from models.dn import dn_key, first_value
from resolvers.importers.account_readers import has_access
from resolvers.importers.column_names import DIRECTORY, KNOWN, VARIABLE, Target, normal
from resolvers.importers.columns import LISTS, Columns
from resolvers.importers.encodings import Text
from resolvers.importers.entry_kinds import GROUPS, PEOPLE, is_put_aside, other_kind, skipped
from resolvers.importers.group_names import group_name
from resolvers.importers.ldif import Attribute, Record, Reference, records
from resolvers.importers.rows import Problem, Row, Source, counted, no_email
from resolvers.importers.values import Cell, user_of

_MEMBERS = ("member", "uniquemember", "memberuid")
_RANGE = re.compile(r";range=\d+-(\d+|\*)")  # a part of the values, of which a server may send no more at once


class Entry(dict[str, Any]):
    """An entry by attribute, with its lines as they stood and the groups whose own entries name it."""

    __slots__ = ("groups", "lines")

    def __init__(self, record: Record, groups: list[str]) -> None:
        super().__init__(dn=record.dn)
        self.lines = record.lines
        self.groups = groups
        for attribute in record.attributes:
            self.setdefault(attribute.name + attribute.options, []).append(attribute.value)


class Directory(Source):
    """Groups are collected while the file is looked through, since they may stand behind their members."""

    format = "ldif"

    def __init__(self, text: Text, *, mapping: Mapping[str, str] | None = None, ldap_server: int | None = None) -> None:
        super().__init__(text, Columns(mapping, word="attribute", known={**KNOWN, **DIRECTORY}))
        self._ldap_server = ldap_server
        self._named_in: dict[str, tuple[str, ...]] = {}
        self._survey()
        self.columns.refuse_missing()
        self.columns.settle()
        self.notes.extend(self.columns.all_notes())
        if not self.total:
            self.notes.append("the file holds no people")

    def __iter__(self) -> Iterator[Row]:
        return (self._row(record) for record in records(self.text.lines()) if _is_user(record))

    def _survey(self) -> None:
        people: set[int] = set()
        others: Counter[str] = Counter()
        kinds: Counter[str] = Counter()
        groups: dict[str, int] = {}
        for record in records(self.text.lines()):
            if record.is_reference:
                kinds["search reference"] += 1
            elif record.result is not None:
                self._take_result(record.result)
            elif kind := _other_kind(record):
                kinds[kind] += 1
            elif _is_row(record):
                self.total += 1
                people.update(map(hash, _names(record)))
                self._meet(record)
            elif _classes(record) & GROUPS:
                self._collect(record, groups)
            else:
                others[(record.values("objectclass") or ["other"])[-1].lower()] += 1
        self.groups = groups
        self._note_others(others, people)
        self.notes.extend(skipped(kind, number) for kind, number in kinds.items())

    def _take_result(self, result: str) -> None:
        code, _, text = result.partition(" ")
        if code and code != "0":
            self.incomplete = f"the search that wrote it ended with {code} ({text.strip() or 'no reason'})"
            self.notes.append(f"the file may not hold everybody: {self.incomplete}")

    def _meet(self, record: Record) -> None:
        repeated = Counter(attribute.base for attribute in record.attributes if not attribute.options)
        for attribute in record.attributes:
            if attribute.base == "objectclass":
                continue
            target = self._target(attribute)
            self.columns.observe(attribute.name + attribute.options, attribute.value)
            if target is None and isinstance(attribute.value, Reference):
                self._note_once(f"{attribute.name} given by a URL is never fetched")
            single = (
                target and target.read is None and target.field not in LISTS and not target.field.startswith(VARIABLE)
            )
            if single and repeated[attribute.base] > 1:
                self._note_once(f"of several values of {attribute.name} the first is taken")

    def _collect(self, record: Record, groups: dict[str, int]) -> None:
        name = (record.values("cn") or [first_value(record.dn)])[0].strip()
        members = [
            dn_key(value) if kind != "memberuid" else _login(value)
            for kind in _MEMBERS
            for value in _all_values(record, kind)
        ]
        groups[name] = groups.get(name, 0) + len(members)
        tuples: dict[tuple[str, ...], tuple[str, ...]] = {}
        for member in members:
            names = (*self._named_in.get(member, ()), name)
            self._named_in[member] = tuples.setdefault(names, names)
        if any((part := _RANGE.fullmatch(one.options)) and part[1] != "*" for one in record.attributes):
            self._note_once(f"group {name!r} is longer than the server sent: the last of its members may be missing")
        for problem in record.problems:
            self._note_once(f"line {record.number}: group {name!r}: {problem.message}")

    def _note_others(self, others: Counter[str], people: set[int]) -> None:
        for kind, number in others.items():
            noun = "entry" if number == 1 else "entries"
            self.notes.append(f"{number:,} {kind} {noun} skipped: not people")
        strangers = sum(len(names) for member, names in self._named_in.items() if hash(member) not in people)
        if strangers:
            self.notes.append(f"{counted(strangers, 'group member')} no people of this file")

    def _note_once(self, note: str) -> None:
        if note not in self.notes and len(self.notes) < 100:
            self.notes.append(note)

    def _target(self, attribute: Attribute) -> Target | None:
        """A value in some language counts only where there is no plain one; other options are left out."""
        name = attribute.name + attribute.options
        if attribute.options and not self.columns.knows(name):
            if _RANGE.fullmatch(attribute.options):
                return self.columns.target(attribute.name)
            if not attribute.options.startswith(";lang-"):
                return self.columns.target(name)
            target = self.columns.target(attribute.name)
            if target is None or ";phonetic" in attribute.options:
                return None
            return target if target.read else Target(target.field, target.rank + 10)
        return self.columns.target(name)

    def _row(self, record: Record) -> Row:
        if record.changetype not in ("add", ""):
            advice = f"this is a change ({record.changetype[:20]}), not an entry: export the whole entry"
            problem = Problem("changetype", advice)
            return Row(record.number, Entry(record, []), {"ref": str(record.number)}, [problem])
        groups = self._groups_of(record)
        cells, problems = self._cells(record)
        if groups:
            cells.append(Cell("member", Target("groups"), tuple(groups)))
        if is_put_aside(record.dn):
            cells.append(Cell("dn", Target("is_active", read=has_access), False))
        user, mistakes = user_of(cells, record.number, word="attribute", beside=self.columns.beside)
        problems = [*record.problems, *problems, *mistakes]
        if self._ldap_server is not None and record.dn:
            user["ldap"] = {"server_number": self._ldap_server, "login_dn": record.dn}
        if "email" not in user and not any(problem.field == "email" for problem in problems):
            problems.append(no_email("the attribute mail"))
        return Row(record.number, Entry(record, groups), user, problems)

    def _cells(self, record: Record) -> tuple[list[Cell], list[Problem]]:
        gathered: dict[str, tuple[Target, list[Any]]] = {}
        tagged: dict[str, str] = {}
        problems: list[Problem] = []
        for attribute in record.attributes:
            target = None if attribute.base == "objectclass" else self._target(attribute)
            if target and isinstance(attribute.value, Reference):
                advice = "write the value itself, or remove the line"
                problems.append(
                    Problem(target.field, f"{attribute.name} is given by a URL, which is never fetched: {advice}")
                )
            elif target:
                name = attribute.name + attribute.options
                is_tagged = attribute.options.startswith(";lang-") and target.field not in LISTS
                if is_tagged and tagged.setdefault(target.field, name) != name:
                    continue  # of values in several languages the first is taken
                gathered.setdefault(normal(name), (target, []))[1].append(_plain(attribute))
        cells = [Cell(name, target, _value(target, values)) for name, (target, values) in gathered.items()]
        return cells, problems

    def _groups_of(self, record: Record) -> list[str]:
        keys = _names(record) if self._named_in else []
        return list(dict.fromkeys(name for key in keys for name in self._named_in.get(key, ())))


def _classes(record: Record) -> set[str]:
    return {value.strip().lower() for value in record.values("objectclass")}


def _is_user(record: Record) -> bool:
    if record.is_reference or record.result is not None:
        return False
    return _other_kind(record) is None and _is_row(record)


def _is_row(record: Record) -> bool:
    """People, entries without a class, and what is broken or a change, so that its refusal is told."""
    classes = _classes(record)
    if classes:
        return bool(classes & PEOPLE) and not classes & GROUPS
    named = any(attribute.base in ("mail", "uid") for attribute in record.attributes)
    return named or bool(record.problems) or record.changetype != "add"


def _other_kind(record: Record) -> str | None:
    values = {one.base: one.value for one in record.attributes if isinstance(one.value, str)}
    return other_kind(_classes(record), record.dn, values)


def _all_values(record: Record, base: str) -> list[str]:
    """The values of an attribute, with those that came in ranges."""
    return [
        one.value
        for one in record.attributes
        if one.base == base and isinstance(one.value, str) and (not one.options or _RANGE.fullmatch(one.options))
    ]


def _login(uid: str) -> str:
    return f"login {uid.strip().casefold()}"


def _names(record: Record) -> list[str]:
    """Under what groups may name this entry."""
    return [dn_key(record.dn), *(_login(uid) for uid in record.values("uid"))]


def _plain(attribute: Attribute) -> Any:
    if not isinstance(attribute.value, str):
        return attribute.value
    return (group_name(attribute.value) or "") if attribute.base == "memberof" else attribute.value


def _value(target: Target, values: list[Any]) -> Any:
    """Directories allow several values of anything; a field that holds one takes the first."""
    if target.field in LISTS or target.read:
        return tuple(values)
    if target.field.startswith(VARIABLE) and all(isinstance(value, str) for value in values):
        return "|".join(values)
    return values[0]
