"""How the cells of a row become the fields of a user."""

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from models.lists import escaped, pair, separated
from models.values import UNUSABLE
from resolvers.importers.account_readers import Mistake
from resolvers.importers.account_words import NO, YES, plain
from resolvers.importers.column_names import EXTERNAL_ID, VARIABLE, Target, normal
from resolvers.importers.columns import FLAGS, LISTS, shown
from resolvers.importers.group_names import group_names, split_names
from resolvers.importers.rows import Problem
from resolvers.importers.spreadsheets import rewriting

_YES = YES | {"active", "enabled"}
_NO = NO | {"inactive", "disabled", "deactivated", "deleted"}
_NAMED_BY = ("name", "displayName", "display", "path", "id", "value", "attributes")
_LARGEST = 10**30
_SPLIT = frozenset({"tags", "aliases", "groups"})
_LOOSE = frozenset({"email", "username"})
IDS = frozenset({"external_id", "username", "aliases", "variables.employeeNumber", "variables.employeeId"})
_MASK = re.compile(r"[*•●∙·\u2022\u25cf]+|\[?\(?<?(hidden|masked|redacted|not shown)>?\)?\]?", re.IGNORECASE)
_COLLECTION = re.compile(r"(System|Microsoft)\.[\w.]+(\[\]|Collection(`1)?(\[.*\])?)")


class Cell(NamedTuple):
    """A value with the column it stands in, as the file names it, and the field it gives."""

    label: str
    target: Target
    value: Any


def user_of(
    cells: Iterable[Cell],
    number: int,
    *,
    word: str = "column",
    ldap_server: int | None = None,
    beside: Collection[str] = (),
) -> tuple[dict[str, Any], list[Problem]]:
    """The user that the cells describe, with what is wrong with them. `beside` names the columns of the file."""
    user = _User(word, beside)
    for cell in sorted(cells, key=lambda cell: cell.target.rank):
        try:
            user.take(cell)
        except Mistake as mistake:
            user.problems.append(Problem(cell.target.field, f"{word} {shown(cell.label)} {mistake}"))
    user.join_ldap(ldap_server)
    user.join_hash()
    user.values.setdefault("ref", str(number))
    return user.values, user.problems


class _User:
    def __init__(self, word: str, beside: Collection[str]) -> None:
        self.word = word
        self.beside = beside
        self.values: dict[str, Any] = {}
        self.problems: list[Problem] = []
        self._chosen: dict[str, Cell] = {}

    def take(self, cell: Cell) -> None:
        field = cell.target.field
        if cell.target.read is not None:
            self._restrict(cell)
        elif is_collection(cell.value):
            pass
        elif field in LISTS:
            self._extend(field, _list_items(cell))
        elif field in ("variables", "external_ids"):
            for name, value in pairs(cell.value, "name" if field == "variables" else "source").items():
                self._choose(cell, f"{field}.{name}", text(value))
        elif field in FLAGS:
            self._choose(cell, field, flag(cell.value))
        elif field == "ldap.server_number":
            self._choose(cell, field, _server_number(cell.value))
        elif not (field.startswith("password") and is_mask(cell.value)):
            self._choose(cell, field, text(cell.value, strip=field != "password"))

    def _restrict(self, cell: Cell) -> None:
        """Of several states any that gives no access wins, whatever the others say."""
        assert cell.target.read is not None
        values = cell.value if isinstance(cell.value, list | tuple) else [cell.value]
        found = {cell.target.read(value, self.beside) for value in values}
        if False in found:
            self.values["is_active"] = False
        elif True in found:
            self.values.setdefault("is_active", True)
        if normal(cell.label) == "state" and "INVITED" in values:
            self.values["is_invited"] = True

    def _extend(self, field: str, values: list[str]) -> None:
        for value in values if field in IDS else ():
            _refuse_rewritten(value)
        if values:
            self.values[field] = list(dict.fromkeys([*self.values.get(field, ()), *values]))

    def _choose(self, cell: Cell, field: str, value: str | int | bool | None) -> None:
        if value is None:
            return
        if field in IDS or field.startswith(EXTERNAL_ID):
            _refuse_rewritten(str(value))
        cell = cell._replace(value=value)
        earlier = self._chosen.setdefault(field, cell)
        if earlier.target.rank == cell.target.rank and not _same(field, earlier.value, value):
            other = f"{self.word} {shown(earlier.label)}"
            raise Mistake(f"and {other} give {field} differently: make them equal or empty one")
        if earlier is cell:
            self._put(field, value)

    def _put(self, field: str, value: str | int | bool) -> None:
        prefix = next((one for one in (VARIABLE, EXTERNAL_ID) if field.startswith(one)), None)
        if prefix is not None:
            self.values.setdefault(prefix[:-1], {})[field.removeprefix(prefix)] = value
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

    def join_hash(self) -> None:
        """Google's files hold a hash in the password's column where they name the function that made it."""
        if self.values.pop("password_hash_function", None) and "password" in self.values:
            self.values["password_hash"] = self.values.pop("password")


def _refuse_rewritten(value: str) -> None:
    if problem := rewriting(value):
        raise Mistake(problem)


def _same(field: str, one: Any, other: Any) -> bool:
    if field in _LOOSE:
        return str(one).casefold() == str(other).casefold()
    return bool(one == other)


def is_mask(value: Any) -> bool:
    """What a system shows in place of a password that it does not give out."""
    return isinstance(value, str) and bool(_MASK.fullmatch(value.strip()))


def is_collection(value: Any) -> bool:
    """PowerShell writes the type of a list in place of its values, unless they are joined."""
    return isinstance(value, str) and bool(_COLLECTION.fullmatch(value.strip()))


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


def _list_items(cell: Cell) -> list[str]:
    value = cell.value
    if normal(cell.label) == "memberof":
        names = [name for one in listed(value) for name in split_names(text(one) or "")]
        value = tuple(group_names(names))
    return items(value, is_split=cell.target.field in _SPLIT)


def items(value: Any, *, is_split: bool = False) -> list[str]:
    """Several texts, of a list or separated by "|"; those of a tuple are whole, whatever they hold.

    `is_split`: who takes them separates them again.
    """
    value = listed(value)
    if isinstance(value, tuple):
        return [escaped(one) if is_split else one for one in map(text, value) if one]
    texts = [(text(one), isinstance(one, Mapping)) for one in value]
    parts = [part.strip() for one, is_whole in texts if one for part in ([one] if is_whole else separated(one))]
    return [escaped(part) if is_split else part for part in parts if part]


def listed(value: Any) -> list[Any] | tuple[Any, ...]:
    """The values of a list, of a connection (`nodes`, `edges`), or a single one."""
    if isinstance(value, Mapping):
        for name in ("nodes", "edges"):
            if isinstance(value.get(name), list):
                value = value[name]
                return [one["node"] if isinstance(one, Mapping) and "node" in one else one for one in value]
    return value if isinstance(value, list | tuple) else [value]


def flag(value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    found = text(value)
    if found is None:
        return None
    word = plain(found)
    if word not in _YES | _NO:
        raise Mistake(f"holds {found[:40]!r}: write true or false")
    return word in _YES


def pairs(value: Any, name: str) -> Mapping[str, Any]:
    """Values by name: an object, a list of objects with `name` and `value`, or the text that an export makes of it."""
    if isinstance(value, Mapping) and not isinstance(value.get("nodes"), list):
        return value
    if value is None or value == "":
        return {}
    found: dict[str, Any] = {}
    for one in separated(value) if isinstance(value, str) else listed(value):
        named = (one.get(name), one.get("value")) if isinstance(one, Mapping) else pair(str(one))
        if named is None or not named[0]:
            raise Mistake(f"holds no pairs of {name} and value: write {name}=value|{name}=value")
        found[named[0]] = named[1]
    return found


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
        inner = next((value[name] for name in _NAMED_BY if name in value), value)
        return _single(inner) if isinstance(inner, Mapping) and inner is not value else inner
    return value


def _kind(value: Any) -> str:
    if isinstance(value, int | float):
        return "a number that cannot be stored"
    if isinstance(value, bytes):
        return "bytes that are not UTF-8"
    return "a list" if isinstance(value, list) else "an object"
