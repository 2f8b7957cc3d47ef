"""Rows of LDIF files: people become users, and the groups that name them their groups."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from models.dn import dn_key, first_value
from resolvers.importers.columns import DIRECTORY, KNOWN, LISTS, VARIABLE, Columns, Target, normal
from resolvers.importers.encodings import Text
from resolvers.importers.ldif import Attribute, Record, Reference, records
from resolvers.importers.rows import Problem, Row, Source, counted, no_email
from resolvers.importers.values import Cell, user_of

_PEOPLE = frozenset(["person", "organizationalperson", "inetorgperson", "user", "posixaccount", "residentialperson"])
_MACHINES = frozenset({"computer", "msds-groupmanagedserviceaccount"})
_GROUPS = frozenset(["groupofnames", "groupofuniquenames", "groupofmembers", "posixgroup", "group"])
_MEMBERS = ("member", "uniquemember", "memberuid")
_ACCOUNT_DISABLED = 2  # the bit of Active Directory's userAccountControl


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
        self.notes.extend(self.columns.all_notes())
        if not self.total:
            self.notes.append("the file holds no people")

    def __iter__(self) -> Iterator[Row]:
        return (self._row(record) for record in records(self.text.lines()) if _is_row(record))

    def _survey(self) -> None:
        people: set[int] = set()
        others: Counter[str] = Counter()
        groups: dict[str, int] = {}
        for record in records(self.text.lines()):
            if _is_row(record):
                self.total += 1
                people.update(map(hash, _names(record)))
                self._meet(record)
            elif _classes(record) & _GROUPS:
                self._collect(record, groups)
            else:
                others[(record.values("objectclass") or ["other"])[-1].lower()] += 1
        self.groups = groups
        self._note_others(others, people)

    def _meet(self, record: Record) -> None:
        repeated = Counter(attribute.base for attribute in record.attributes if not attribute.options)
        for attribute in record.attributes:
            if attribute.base == "objectclass":
                continue
            target = self._target(attribute)
            if target is None and isinstance(attribute.value, Reference):
                self._note_once(f"{attribute.name} given by a URL is never fetched")
            single = target and target.field not in LISTS and not target.field.startswith(VARIABLE)
            if single and repeated[attribute.base] > 1:
                self._note_once(f"of several values of {attribute.name} the first is taken")

    def _collect(self, record: Record, groups: dict[str, int]) -> None:
        name = (record.values("cn") or [first_value(record.dn)])[0].strip()
        members = [
            dn_key(value) if kind != "memberuid" else _login(value)
            for kind in _MEMBERS
            for value in record.values(kind)
        ]
        groups[name] = groups.get(name, 0) + len(members)
        tuples: dict[tuple[str, ...], tuple[str, ...]] = {}
        for member in members:
            names = (*self._named_in.get(member, ()), name)
            self._named_in[member] = tuples.setdefault(names, names)
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
            if not attribute.options.startswith(";lang-"):
                return self.columns.target(name)
            target = self.columns.target(attribute.name)
            return target and Target(target.field, target.rank + 10, target.inverted)
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
        user, mistakes = user_of(cells, record.number, word="attribute")
        problems = [*record.problems, *problems, *mistakes]
        if self._ldap_server is not None and record.dn:
            user["ldap"] = {"server_number": self._ldap_server, "login_dn": record.dn}
        if "email" not in user and not any(problem.field == "email" for problem in problems):
            problems.append(no_email("the attribute mail"))
        return Row(record.number, Entry(record, groups), user, problems)

    def _cells(self, record: Record) -> tuple[list[Cell], list[Problem]]:
        gathered: dict[str, tuple[Target, list[Any]]] = {}
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
                gathered.setdefault(normal(name), (target, []))[1].append(_plain(attribute))
        cells = [Cell(name, target, _value(target, values)) for name, (target, values) in gathered.items()]
        return cells, problems

    def _groups_of(self, record: Record) -> list[str]:
        keys = _names(record) if self._named_in else []
        return list(dict.fromkeys(name for key in keys for name in self._named_in.get(key, ())))


def _classes(record: Record) -> set[str]:
    return {value.strip().lower() for value in record.values("objectclass")}


def _is_row(record: Record) -> bool:
    """People, entries without a class, and what is broken or a change, so that its refusal is told."""
    classes = _classes(record)
    if classes:
        return bool(classes & _PEOPLE) and not classes & (_MACHINES | _GROUPS)
    named = any(attribute.base in ("mail", "uid") for attribute in record.attributes)
    return named or bool(record.problems) or record.changetype != "add"


def _login(uid: str) -> str:
    return f"login {uid.strip().casefold()}"


def _names(record: Record) -> list[str]:
    """Under what groups may name this entry."""
    return [dn_key(record.dn), *(_login(uid) for uid in record.values("uid"))]


def _plain(attribute: Attribute) -> Any:
    if not isinstance(attribute.value, str):
        return attribute.value
    if attribute.base == "memberof":
        return first_value(attribute.value)
    if attribute.base == "useraccountcontrol" and attribute.value.strip().isdecimal():
        return "false" if int(attribute.value) & _ACCOUNT_DISABLED else "true"
    return attribute.value


def _value(target: Target, values: list[Any]) -> Any:
    """Directories allow several values of anything; a field that holds one takes the first."""
    if target.field in LISTS:
        return tuple(values)
    if target.field.startswith(VARIABLE) and all(isinstance(value, str) for value in values):
        return "|".join(values)
    return values[0]
