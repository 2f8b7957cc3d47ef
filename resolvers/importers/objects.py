"""Rows of JSON and NDJSON files: the sources' payloads, SCIM list responses and Microsoft Graph's users."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from resolvers.importers.account_readers import has_access
from resolvers.importers.column_names import DIRECTORY_COLUMNS, DIRECTORY_MARKS, Target, normal
from resolvers.importers.columns import Columns
from resolvers.importers.encodings import Text
from resolvers.importers.entry_kinds import NAMES, is_put_aside, kind_of_row, skipped
from resolvers.importers.nested import flat
from resolvers.importers.rows import Problem, Row, Source, UnreadableFile, no_email
from resolvers.importers.values import Cell, user_of

LARGEST = 512 * 1024 * 1024
_LONGEST_NUMBER = 4_000  # digits, of which Python turns up to 4,300 into a number
_DEEPEST = 64
# What says that there are more pages: Microsoft Graph, Google, Zendesk, Dropbox and others.
_NEXT_PAGE = ("@odata.nextlink", "nextpagetoken", "nextpage", "hasmore", "nextlink", "nextcursor")
_WRAPPERS = ("users", "value", "resources", "members", "data", "results", "records", "employees", "values", "items")


class Repeated(dict[str, Any]):
    """An object that names a key twice with different values, with everything it said."""

    __slots__ = ("pairs",)

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.pairs = pairs


class Unparsed(dict[str, Any]):
    """What stands where an object should, as it was written."""

    __slots__ = ("written",)

    def __init__(self, written: str) -> None:
        super().__init__(row=written)
        self.written = written


class Objects(Source):
    """What both formats share: how one object becomes a row."""

    def __init__(self, text: Text, *, mapping: Mapping[str, str] | None = None, ldap_server: int | None = None) -> None:
        super().__init__(text, Columns(mapping, word="key"))
        self._ldap_server = ldap_server
        self._others: Counter[str] = Counter()
        self._survey()
        self.columns.refuse_missing()
        settled = self.columns.settle()
        self.notes.extend([*self.columns.all_notes(), *settled])
        self.notes.extend(skipped(kind, number) for kind, number in self._others.items())
        if not self.total:
            self.notes.append("the file holds no users")

    def __iter__(self) -> Iterator[Row]:
        for number, record in self._records():
            if _other_kind(record) is None:
                yield self._row(number, record)

    def _records(self) -> Iterator[tuple[int, Any]]:
        raise NotImplementedError

    def _survey(self) -> None:
        for _number, record in self._records():
            if kind := _other_kind(record):
                self._others[kind] += 1
                continue
            self.total += 1
            if type(record) is dict:
                self._meet(record)

    def _meet(self, record: Mapping[str, Any]) -> None:
        if DIRECTORY_MARKS & set(map(normal, record)):
            self.columns.known = {**self.columns.known, **DIRECTORY_COLUMNS}
        for label, value in self._flat(record):
            self.columns.target(label)
            self.columns.observe(label, value)

    def _cells(self, record: Mapping[str, Any]) -> Iterator[Cell]:
        for label, value in self._flat(record):
            if target := self.columns.target(label):
                yield Cell(label, target, value)
        dn = next((value for name, value in record.items() if NAMES.get(normal(name)) == "dn"), "")
        if isinstance(dn, str) and is_put_aside(dn):
            yield Cell("dn", Target("is_active", read=has_access), False)

    def _flat(self, record: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        is_answer = _is_answer(record)
        for name, value in record.items():
            if is_answer and isinstance(value, list) and all(isinstance(one, str) for one in value):
                value = tuple(value)
            if normal(name) == "emails" and isinstance(value, list):
                value = [_chosen(value)] if value else None
            yield from flat(name, value, self.columns.knows)

    def _row(self, number: int, record: Any) -> Row:
        if problem := _misshapen(record):
            source = record if isinstance(record, dict) else Unparsed(json.dumps(record))
            return Row(number, source, {"ref": str(number)}, [problem])
        cells = self._cells(record)
        user, problems = user_of(cells, number, word="key", ldap_server=self._ldap_server, beside=self.columns.beside)
        if "email" not in user and not any(problem.field == "email" for problem in problems):
            problems.append(no_email('the key "email"'))
        return Row(number, record, user, problems)


class Json(Objects):
    """The whole file is held in memory, so its size is bounded; NDJSON is not."""

    format = "json"
    noun = "record"

    def __init__(self, text: Text, **options: Any) -> None:
        size = text.path.stat().st_size
        if size > LARGEST:
            raise UnreadableFile(
                f"the file is {size // 2**20:,} MiB, and JSON is read whole up to {LARGEST // 2**20:,} MiB:"
                " write it as NDJSON, one object a line, which has no limit"
            )
        self._loaded: list[Any] | None = None
        super().__init__(text, **options)

    def _records(self) -> Iterator[tuple[int, Any]]:
        if self._loaded is None:
            self._loaded = self._load()
        return ((place, one) for place, one in enumerate(self._loaded, 1) if not is_remark(one))

    def _load(self) -> list[Any]:
        try:
            found = parse(self.text.whole())
        except json.JSONDecodeError as error:
            advice = "mend it there"
            if error.msg == "Extra data":
                advice = "if there is one object a line, pass --format ndjson"
            raise UnreadableFile(
                f"line {error.lineno}, column {error.colno} is not JSON ({error.msg}): {advice}"
            ) from error
        except RecursionError as error:
            raise UnreadableFile("the JSON is nested too deeply: write an array of plain objects") from error
        if isinstance(found, list):
            return found
        return self._unwrap(found)

    def _unwrap(self, found: Any) -> list[Any]:
        lists = {normal(key): self._listed(value) for key, value in found.items()} if isinstance(found, dict) else {}
        users = next((lists[name] for name in _WRAPPERS if isinstance(lists.get(name), list)), self._by_id(found))
        if users is not None:
            self._note_pages(lists, len(users))
            return list(users)
        if isinstance(found, dict) and any(map(self.columns.knows, found)):
            return [found]
        raise UnreadableFile(
            'the JSON holds no users: write an array of objects, or an object with such an array as "users"'
        )

    def _listed(self, value: Any) -> Any:
        """Nextcloud answers `{"ocs": {"data": {"users": {ID: {…}}}}}`."""
        return self._by_id(value) or value if isinstance(value, dict) else value

    def _by_id(self, found: Any) -> list[Any] | None:
        """The users of an object that has them by their ids."""
        values = list(found.values()) if isinstance(found, dict) else []
        if not values or any(map(self.columns.knows, found)) or not all(isinstance(one, dict) for one in values):
            return None
        return values if all(any(map(self.columns.knows, one)) for one in values) else None

    def _note_pages(self, wrapper: Mapping[str, Any], held: int) -> None:
        total = wrapper.get("totalresults")
        is_continued = any(wrapper.get(name) for name in _NEXT_PAGE)
        if is_continued or (isinstance(total, int) and total > held):
            self.incomplete = "it is one page of several"
            self.notes.append("the file is one page of several: users of the other pages are not in it")


class NdJson(Objects):
    """One object a line; a line that is not JSON is refused by itself."""

    format = "ndjson"

    def _records(self) -> Iterator[tuple[int, Any]]:
        for number, line in enumerate(self.text.lines(), 1):
            written = line.strip()
            if not written:
                continue
            try:
                record = parse(written)
            except (ValueError, RecursionError):
                record = Unparsed(written)
            if not is_remark(record):
                yield number, record


def parse(written: str) -> Any:
    """A JSON text, of bounded depth; what no field can hold is kept for the row to be refused as it stood."""
    found = json.loads(written, parse_int=_integer, object_pairs_hook=_object)
    if _deeper(found, _DEEPEST):
        raise RecursionError
    return found


def is_remark(record: Any) -> bool:
    """What an import writes above something that is not an object, to say why it was refused."""
    return isinstance(record, dict) and list(record) == ["error"]


def _deeper(value: Any, levels: int) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return levels == 0 or any(_deeper(one, levels - 1) for one in inner if isinstance(one, dict | list))


def _integer(digits: str) -> int | float:
    """What no field can hold becomes NaN, which is refused where it is used, and written as such."""
    return int(digits) if len(digits) <= _LONGEST_NUMBER else float("nan")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    return found if all(found[key] is value or found[key] == value for key, value in pairs) else Repeated(pairs)


def _misshapen(record: Any) -> Problem | None:
    if isinstance(record, Unparsed):
        return Problem("row", "the line is not JSON, or nested too deeply: write one object on one line")
    if isinstance(record, Repeated):
        twice = next(key for key, value in record.pairs if record[key] != value)
        return Problem(twice[:100], "the key stands twice with different values: keep one")
    if not isinstance(record, dict):
        return Problem("row", 'this is not an object: write one such as {"email": "ada@example.com"}')
    return None


def _is_answer(record: Mapping[str, Any]) -> bool:
    """Whether GraphQL gave it: then the texts of its lists are whole, while payloads put several into one by `|`."""
    return any(isinstance(value, dict) and isinstance(value.get("nodes"), list) for value in record.values())


def _other_kind(record: Any) -> str | None:
    if type(record) is not dict:
        return None
    named = {NAMES[normal(name)]: value for name, value in record.items() if normal(name) in NAMES}
    return kind_of_row(named) if named else None


def _chosen(emails: list[Any]) -> Any:
    """SCIM lists all addresses of a user, and may mark one as primary."""
    return next((one for one in emails if isinstance(one, dict) and one.get("primary") is True), emails[0])
