"""How the cells of a row become the fields of a user."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from models.lists import escaped, separated
from models.values import UNUSABLE
from resolvers.importers.columns import FLAGS, LISTS, VARIABLE, Target, shown
from resolvers.importers.rows import Problem

_YES = frozenset(["true", "t", "yes", "y", "1", "on", "active", "enabled"])
_NO = frozenset(["false", "f", "no", "n", "0", "off", "inactive", "disabled", "deactivated", "deleted"])
_NAMED_BY = ("name", "displayName", "display", "value")
_LARGEST = 10**30
_SPLIT = frozenset({"tags", "aliases", "groups"})
_LOOSE = frozenset({"email", "username"})


class Cell(NamedTuple):
    """A value with the column it stands in, as the file names it, and the field it gives."""

    label: str
    target: Target
    value: Any


class Mistake(Exception):
    """What is wrong with a value, and what to write instead."""


def user_of(
    cells: Iterable[Cell], number: int, *, word: str = "column", ldap_server: int | None = None
) -> tuple[dict[str, Any], list[Problem]]:
    """The user that the cells describe, with what is wrong with them."""
    user = _User(word)
    for cell in sorted(cells, key=lambda cell: cell.target.rank):
        try:
            user.take(cell)
        except Mistake as mistake:
            user.problems.append(Problem(cell.target.field, f"{word} {shown(cell.label)} {mistake}"))
    user.join_ldap(ldap_server)
    user.values.setdefault("ref", str(number))
    return user.values, user.problems


class _User:
    def __init__(self, word: str) -> None:
        self.word = word
        self.values: dict[str, Any] = {}
        self.problems: list[Problem] = []
        self._chosen: dict[str, Cell] = {}

    def take(self, cell: Cell) -> None:
        field = cell.target.field
        if field in LISTS:
            self._extend(field, items(cell.value, is_split=field in _SPLIT))
        elif field == "variables":
            for name, value in _object(cell.value).items():
                self._choose(cell, VARIABLE + str(name), text(value))
        elif field in FLAGS:
            value = flag(cell.value)
            self._choose(cell, field, value if value is None else value != cell.target.inverted)
        elif field == "ldap.server_number":
            self._choose(cell, field, _server_number(cell.value))
        else:
            self._choose(cell, field, text(cell.value, strip=field != "password"))

    def _extend(self, field: str, values: list[str]) -> None:
        if values:
            self.values[field] = list(dict.fromkeys([*self.values.get(field, ()), *values]))

    def _choose(self, cell: Cell, field: str, value: str | int | bool | None) -> None:
        if value is None:
            return
        cell = cell._replace(value=value)
        earlier = self._chosen.setdefault(field, cell)
        if earlier.target.rank == cell.target.rank and not _same(field, earlier.value, value):
            other = f"{self.word} {shown(earlier.label)}"
            raise Mistake(f"and {other} give {field} differently: make them equal or empty one")
        if earlier is cell:
            self._put(field, value)

    def _put(self, field: str, value: str | int | bool) -> None:
        if field.startswith(VARIABLE):
            self.values.setdefault("variables", {})[field.removeprefix(VARIABLE)] = value
        else:
            self.values[field] = value

    def join_ldap(self, default: int | None) -> None:
        """The server and the name on it belong together; S3 shows 0 and "" where there is neither."""
        server = self.values.pop("ldap.server_number", None) or default
        name = self.values.pop("ldap.login_dn", None)
        if name is None and server == default:
            return
        if name is None or server is None:
            lacking = "login_dn" if name is None else "ldap_server_id"
            self.problems.append(Problem("ldap", f"{lacking} is missing: give the server and the DN, or neither"))
        else:
            self.values["ldap"] = {"server_number": server, "login_dn": name}


def _same(field: str, one: Any, other: Any) -> bool:
    if field in _LOOSE:
        return str(one).casefold() == str(other).casefold()
    return bool(one == other)


def text(value: Any, *, strip: bool = True) -> str | None:
    """One text; None where there is nothing. Lists of one, and objects that have a name, stand for it."""
    value = _single(value)
    if isinstance(value, bool):
        value = "true" if value else "false"
    elif isinstance(value, int | float) and -_LARGEST < value < _LARGEST:
        value = str(value)
    if not isinstance(value, str | None):
        raise Mistake(f"holds {_kind(value)}: write one text")
    if value is None or not value.strip():
        return None
    if found := UNUSABLE.search(value):
        raise Mistake(f"holds the character U+{ord(found[0]):04X}, which cannot be stored: remove it")
    return value.strip() if strip else value


def items(value: Any, *, is_split: bool = False) -> list[str]:
    """Several texts, of a list or separated by "|"; those of a tuple are whole, whatever they hold.

    `is_split`: who takes them separates them again.
    """
    if isinstance(value, tuple):
        return [one for one in map(text, value) if one]
    values = value if isinstance(value, list) else [value]
    texts = [text(one) for one in values]
    parts = [part.strip() for one in texts if one for part in separated(one) if part.strip()]
    return [escaped(part) for part in parts] if is_split else parts


def flag(value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    found = text(value)
    if found is None:
        return None
    word = found.casefold()
    if word not in _YES | _NO:
        raise Mistake(f"holds {found[:40]!r}: write true or false")
    return word in _YES


def _server_number(value: Any) -> int | None:
    found = text(value)
    if found in (None, "0"):
        return None
    if found not in tuple("123456789"):
        raise Mistake("is not the number of an LDAP server: write 1 to 9")
    return int(found)


def _single(value: Any) -> Any:
    if isinstance(value, list) and value:
        chosen = [one for one in value if isinstance(one, Mapping) and one.get("primary") is True] or value
        if len(chosen) > 1:
            raise Mistake(f"holds {len(chosen)} values: write one")
        value = chosen[0]
    if isinstance(value, list) and not value:
        return None
    if isinstance(value, Mapping):
        return next((value[name] for name in _NAMED_BY if name in value), value)
    return value


def _object(value: Any) -> Mapping[str, Any]:
    if isinstance(value, Mapping):
        return value
    if value is None or value == "":
        return {}
    raise Mistake("is not an object: write one column variables.NAME for each variable")


def _kind(value: Any) -> str:
    if isinstance(value, int | float):
        return "a number that cannot be stored"
    if isinstance(value, bytes):
        return "bytes that are not UTF-8"
    return "a list" if isinstance(value, list) else "an object"
