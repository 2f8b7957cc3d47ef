"""Which field of a user a column gives: by `--map`, by the table of names, or not at all."""

from collections.abc import Iterable, Mapping
from typing import Any

from resolvers.importers import account_readers
from resolvers.importers.account_readers import Reader
from resolvers.importers.column_names import (
    EXTERNAL_ID,
    IGNORE,
    KNOWN,
    NEVER,
    SECRETS,
    VARIABLE,
    Target,
    name_forms,
    normal,
)
from resolvers.importers.rows import UnreadableFile
from resolvers.importers.state_columns import StateColumns, state_reader

TEXTS = (
    *("email", "username", "name", "first_name", "last_name", "role", "password", "password_hash", "external_id"),
    "ref",
)
LISTS = ("tags", "aliases", "groups", "organizations", "organization_ids")
FLAGS = ("is_active", "saml", "api_only", "can_create_projects_in_root")
LDAP = ("ldap.server_number", "ldap.login_dn")
# Other ways to say by --map what a column tells about access; each becomes `is_active`.
STATES: Mapping[str, Reader] = {
    "is_active": account_readers.has_access,
    "is_disabled": account_readers.has_no_access,
    "expires_at": account_readers.ends,
}
_FIELDS = (*TEXTS, *LISTS, "is_active", "is_disabled", "expires_at", *FLAGS[1:], *LDAP)
_HASHES = frozenset(["userpassword"])  # may be imported, as hashes, where --map says so
_MOST_REMEMBERED = 10_000
_MOST_NOTED = 50
_LONGEST_SHOWN = 100


class Columns:
    """The columns of one file, with a note for each that is left out."""

    def __init__(
        self,
        mapping: Mapping[str, str] | None = None,
        *,
        word: str = "column",
        known: Mapping[str, Target] = KNOWN,
    ) -> None:
        self.word = word
        self.notes: list[str] = []
        self.known = known
        self._mapping = {name: _mapped(name, field) for name, field in (mapping or {}).items()}
        self._claimed = {target.field for target in self._mapping.values()} - {"is_active"}
        self._met: dict[str, Target | None] = {}
        self._left_out = 0
        self._states = StateColumns(word)

    @property
    def beside(self) -> set[str]:
        """The normal forms of all names that were met."""
        return self._states.names

    def target(self, name: str) -> Target | None:
        """Where the values of a column go; None, with a note, when they go nowhere."""
        if name in self._met:
            return self._met[name]
        target, note = self._found(name)
        if len(self._met) < _MOST_REMEMBERED:
            self._met[name] = target
            self._states.meet(name, target, is_mapped=self.is_mapped(name))
            self._note(note)
        return target

    def observe(self, name: str, value: Any) -> None:
        """Look at a value of a column whose meaning depends on its values."""
        self._states.observe(name, value)

    def is_mapped(self, name: str) -> bool:
        """Whether `--map` says what the column means."""
        return self._by_map(name) is not None

    def is_observed(self, name: str) -> bool:
        return name in self._states.watched

    def settle(self) -> list[str]:
        """Decide, once every value was observed, and return notes. Raises UnreadableFile."""
        places = self._states.settle()
        self._met |= dict.fromkeys(places)
        return [f"{self.word} {shown(name)} is not imported: it names a place" for name in places]

    def knows(self, name: str) -> bool:
        return self._by_map(name) is not None or self._by_name(name) is not None

    def gives(self, field: str, names: Iterable[str]) -> str | None:
        """The first of these columns that gives the field."""
        return next((name for name in names if (target := self._found(name)[0]) and target.field == field), None)

    def refuse_missing(self) -> None:
        """A mapping from a column that the file lacks is a mistake of the caller's."""
        met = {normal(form) for name in self._met for form in (name, *name_forms(name))}
        missing = [name for name in self._mapping if normal(name) not in met]
        if missing:
            there = ", ".join(shown(name) for name in list(self._met)[:30]) or "none"
            raise UnreadableFile(f"--map names the {self.word} {missing[0]!r}, which the file lacks: it has {there}")

    def all_notes(self) -> list[str]:
        more = [f"{self._left_out} more {self.word}s are not imported"] if self._left_out else []
        return [*self.notes, *more]

    def _found(self, name: str) -> tuple[Target | None, str]:
        if (mapped := self._by_map(name)) is not None:
            return (None, "") if mapped.field == IGNORE else (mapped, "")
        target = self._by_name(name)
        if target is None:
            return None, f"{self.word} {shown(name)} is not imported"
        if target.field == NEVER:
            return None, f"{SECRETS.get(normal(name), name)} is never imported"
        if target.field in self._claimed:
            return None, f"{self.word} {shown(name)} is not imported: --map gives {target.field}"
        return (None, "") if target.field == IGNORE else (target, target.note)

    def _by_map(self, name: str) -> Target | None:
        if name in self._mapping:
            return self._mapping[name]
        plain = {normal(form) for form in (name, *name_forms(name))}
        return next((target for key, target in self._mapping.items() if normal(key) in plain), None)

    def _by_name(self, name: str) -> Target | None:
        if reader := state_reader(name):
            return Target("is_active", read=reader)
        for form in name_forms(name):
            plain = normal(form)
            if plain in ("", "error"):
                return Target(IGNORE)
            if plain in SECRETS:
                return Target(NEVER)
            if plain.startswith(VARIABLE) and len(plain) > len(VARIABLE):
                return Target(VARIABLE + form.strip().split(".", 1)[1].strip())
            if plain.startswith("externalids.") and len(plain) > len("externalids."):
                return Target(EXTERNAL_ID + form.strip().split(".", 1)[1].strip())
            if target := self.known.get(plain):
                return target
        return None

    def _note(self, note: str) -> None:
        if note and len(self.notes) < _MOST_NOTED:
            self.notes.append(note)
        elif note:
            self._left_out += 1


def shown(name: str) -> str:
    """A column's name in a message, however long the file made it."""
    return repr(name if len(name) <= _LONGEST_SHOWN else f"{name[:_LONGEST_SHOWN]}…")


def _mapped(name: str, field: str) -> Target:
    wanted = field.strip()
    if normal(name) not in SECRETS and any(
        wanted.startswith(prefix) and wanted != prefix for prefix in (VARIABLE, EXTERNAL_ID)
    ):
        return Target(wanted)
    plain = normal(wanted)
    found = next((known for known in (*_FIELDS, IGNORE) if normal(known) == plain), None)
    if normal(name) in SECRETS and found != IGNORE and not (found == "password_hash" and normal(name) in _HASHES):
        raise UnreadableFile(f"{name} is never imported: leave it out of --map")
    if found is None:
        valid = ", ".join((*_FIELDS, "external_ids.SOURCE", "variables.NAME", IGNORE))
        raise UnreadableFile(f"--map {name}={field} names no field: the fields are {valid}")
    if found in STATES:
        known_reader = state_reader(name) if found == "is_active" else None
        return Target("is_active", read=known_reader or STATES[found])
    return Target(found)
