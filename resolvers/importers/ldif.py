"""The grammar of LDIF (RFC 2849): lines unfolded, values decoded, records told apart, one at a time."""

import base64
import binascii
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from resolvers.importers.rows import Problem, UnreadableFile

LONGEST_RECORD = 16 * 1024 * 1024
# What ldapsearch writes behind the entries, and where another server has more of them.
_RESULT = frozenset("search result matcheddn text ref control pagedresults sortresult vlvresult".split())
_ATTRIBUTE = re.compile(
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9.-]*)(?P<options>(?:;[A-Za-z0-9=*-]+)*):(?P<kind>[:<]?) *(?P<value>.*)",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class _Line:
    """A logical line, still in its folds."""

    number: int
    folds: list[str]

    def unfolded(self) -> str:
        if len(self.folds) == 1:
            return self.folds[0]
        return "".join([self.folds[0], *(fold[1:] for fold in self.folds[1:])])


@dataclass(frozen=True, slots=True)
class Reference:
    """A value given as a URL. It is never fetched: the file would choose what this machine reads."""

    url: str


@dataclass(slots=True)
class Record:
    """`lines` are as they stood, folds included, comments left out. Attributes keep their order and spelling.

    The base name of an attribute is lower case; language options are apart in `options`.
    """

    number: int
    lines: list[str]
    dn: str = ""
    changetype: str = "add"
    attributes: list["Attribute"] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    @property
    def is_reference(self) -> bool:
        """Whether the search was referred to another server here."""
        return not self.dn and bool(self.attributes) and all(one.base == "ref" for one in self.attributes)

    @property
    def result(self) -> str | None:
        """The result of the search that wrote the file, such as `0 Success`; None for other records."""
        bases = {one.base for one in self.attributes}
        if self.dn or not bases or not bases <= _RESULT or not bases & {"search", "result"}:
            return None
        return next(iter(self.values("result")), "")

    def values(self, name: str) -> list[str]:
        """The texts of an attribute, plain ones only."""
        return [
            one.value for one in self.attributes if one.base == name and not one.options and isinstance(one.value, str)
        ]


@dataclass(frozen=True, slots=True)
class Attribute:
    name: str
    base: str
    options: str
    value: str | bytes | Reference


def records(lines: Iterable[str]) -> Iterator[Record]:
    """The entries and changes of a file; the version line is checked, and is no record."""
    for block in _blocks(lines):
        if _is_version(block[0]):
            del block[0]
        if block:
            record = Record(block[0].number, [line for one in block for line in one.folds])
            _parse(record, block)
            yield record


def _blocks(lines: Iterable[str]) -> Iterator[list[_Line]]:
    """Records as logical lines, each still in its folds; a comment may be folded too."""
    block: list[_Line] = []
    size = 0
    comment = False
    for number, line in enumerate(lines, 1):
        line = line.rstrip("\r\n")
        if line.startswith(" ") and (block or comment):
            if not comment:
                block[-1].folds.append(line)
        elif not line.strip():
            if block:
                yield block
            block, comment = [], False
        elif not (comment := line.startswith("#")):
            block.append(_Line(number, [line]))
        size = size + len(line) if block else 0
        _refuse_endless(size, block)
    if block:
        yield block


def _refuse_endless(size: int, block: list[_Line]) -> None:
    if size > LONGEST_RECORD:
        raise UnreadableFile(
            f"line {block[0].number}: the record is longer than {LONGEST_RECORD:,} characters: is the"
            " empty line after it missing?"
        )


def _is_version(line: _Line) -> bool:
    match = _ATTRIBUTE.fullmatch(line.unfolded())
    if not match or match["name"].lower() != "version":
        return False
    if match["value"].strip() != "1":
        raise UnreadableFile(f"line {line.number}: this is not version 1 of LDIF: export the directory as version 1")
    return True


def _parse(record: Record, block: list[_Line]) -> None:
    at = 1  # counted within the record: this stays true in the file of refused rows
    for place, line in enumerate(block):
        if record.changetype not in ("add", ""):
            return
        if match := _ATTRIBUTE.fullmatch(line.unfolded()):
            _take(record, place, match)
        else:
            record.problems.append(Problem("row", f"line {at} of the record is not `attribute: value`: mend it"))
        at += len(line.folds)
    if not record.dn and not any(problem.field == "dn" for problem in record.problems):
        record.problems.append(Problem("dn", "the record does not begin with a DN: write a line `dn: …` first"))


def _take(record: Record, place: int, match: re.Match[str]) -> None:
    name = match["name"]
    try:
        value = _value(match)
    except ValueError:
        record.problems.append(Problem(name, "this is not base64: encode the value again, or write it plainly"))
        return
    match name.lower():
        case "dn" if place == 0:
            _name(record, value)
        case "dn":
            record.problems.append(Problem("dn", "a record has one DN: put an empty line between two records"))
        case "changetype":
            record.changetype = str(value).strip().lower()
        case "control" if not record.attributes:
            pass
        case _:
            record.attributes.append(Attribute(name, name.lower(), match["options"].lower(), value))


def _name(record: Record, value: str | bytes | Reference) -> None:
    if isinstance(value, str) and value.strip():
        record.dn = value.strip()
    else:
        record.problems.append(Problem("dn", "the DN is empty or no text: write it as text in UTF-8"))


def _value(match: re.Match[str]) -> str | bytes | Reference:
    written = match["value"]
    if match["kind"] == "<":
        return Reference(written.strip())
    if match["kind"] == "":
        return written.rstrip(" ")
    try:
        found = base64.b64decode(written.replace(" ", ""), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError from error
    try:
        return found.decode()
    except UnicodeDecodeError:
        return found
