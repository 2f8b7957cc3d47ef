"""How the bytes of a file become text: found, told by `--encoding`, or refused with the line."""

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from resolvers.importers import guessing
from resolvers.importers.rows import UnreadableFile

LONGEST_LINE = 16 * 1024 * 1024
_PIECE = 64 * 1024
_SIGNATURES = (
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose signature begins in the same way
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_BINARY = (
    (b"PK\x03\x04", "a workbook or an archive: save it as CSV (UTF-8) first"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook: save it as CSV (UTF-8) first"),
    (b"\x1f\x8b", "compressed: unpack it first"),
)


@dataclass(frozen=True, slots=True)
class Text:
    """A file whose encoding is settled; `codec` is the encoding as Python opens it, signature included."""

    path: Path
    codec: str
    notes: tuple[str, ...] = ()

    @property
    def encoding(self) -> str:
        return "utf-8" if self.codec == "utf-8-sig" else self.codec

    @property
    def plain(self) -> bool:
        """UTF-8 without a signature."""
        return self.codec == "utf-8"

    def lines(self) -> Iterator[str]:
        """The lines with their ends, one at a time, none of them boundless."""
        with self.path.open(encoding=self.codec, newline="") as file:
            number = 0
            while line := file.readline(LONGEST_LINE + 1):
                number += 1
                if len(line) > LONGEST_LINE:
                    raise UnreadableFile(
                        f"line {number} is longer than {LONGEST_LINE:,} characters: split it, or check that"
                        " the file is of the format that --format names"
                    )
                yield line

    def whole(self) -> str:
        return self.path.read_text(encoding=self.codec)


def open_text(path: Path, given: str | None = None) -> Text:
    """Settle how the file is read; the whole file is decoded once, so that reading it cannot fail later."""
    head = _head(path)
    signature = next((codec for mark, codec in _SIGNATURES if head.startswith(mark)), None)
    if signature:
        return _signed(path, signature, given)
    if given:
        return _given(path, _known(given))
    if wide := _wide(head):
        return _found(path, wide)
    line = undecodable_line(path, "utf-8")
    return Text(path, "utf-8") if line is None else _guessed(path, line)


def undecodable_line(path: Path, codec: str) -> int | None:
    """The first line that does not decode; None when all do."""
    try:
        with path.open(encoding=codec, newline="") as file:
            while file.read(_PIECE):
                pass
    except UnicodeError:
        return _locate(path, codec)
    return None


def _locate(path: Path, codec: str) -> int:
    number = 1
    with path.open(encoding=codec, errors="replace", newline="") as file:
        while (piece := file.readline(_PIECE)) and "\ufffd" not in piece:
            number += piece.endswith(("\n", "\r"))
    return number


def _head(path: Path) -> bytes:
    if not path.exists():
        raise UnreadableFile(f"there is no file {path}: check the name")
    if not path.is_file():
        raise UnreadableFile(f"{path} is not a file that can be read twice: save the data to a file first")
    try:
        with path.open("rb") as file:
            head = file.read(4096)
    except OSError as error:
        raise UnreadableFile(f"{path} cannot be read ({error.strerror}): check its permissions") from error
    for mark, advice in _BINARY:
        if head.startswith(mark):
            raise UnreadableFile(f"{path.name} is {advice}")
    return head


def _known(name: str) -> str:
    try:
        "".encode(name)
        return codecs.lookup(name).name
    except (LookupError, UnicodeError, ValueError) as error:
        raise UnreadableFile(
            f"there is no encoding {name!r}: --encoding takes names such as utf-8, cp1252, iso-8859-1, utf-16"
        ) from error


def _signed(path: Path, codec: str, given: str | None) -> Text:
    _refuse_undecodable(path, codec)
    text = Text(path, codec)
    notes = [] if text.encoding == "utf-8" else [f"the file is read as {text.encoding}, by its byte order mark"]
    if given and _known(given).removesuffix("-sig") not in (text.encoding, *_halves(text.encoding)):
        notes.append(f"--encoding {given} is not used: the file's byte order mark says {text.encoding}")
    return Text(path, codec, tuple(notes))


def _halves(encoding: str) -> tuple[str, str]:
    return f"{encoding}-le", f"{encoding}-be"


def _given(path: Path, codec: str) -> Text:
    _refuse_undecodable(path, codec)
    return Text(path, codec)


def _refuse_undecodable(path: Path, codec: str) -> None:
    line = undecodable_line(path, codec)
    if line is not None:
        raise UnreadableFile(
            f"line {line} holds bytes that are not {codec}: mend that line, or name the encoding the file was"
            " saved in with --encoding NAME"
        )


def _wide(head: bytes) -> str | None:
    """UTF-16 without a signature shows as a NUL in every other byte of what is mostly ASCII."""
    pairs = max(len(head) // 2, 1)
    even, odd = head[0::2].count(0) / pairs, head[1::2].count(0) / pairs
    if odd > 0.6 and even < 0.1:
        return "utf-16-le"
    return "utf-16-be" if even > 0.6 and odd < 0.1 else None


def _found(path: Path, codec: str) -> Text:
    _refuse_undecodable(path, codec)
    note = f"the file is read as {codec}: if names look wrong, name the encoding with --encoding NAME"
    return Text(path, codec, (note,))


def _guessed(path: Path, line: int) -> Text:
    sample = guessing.Sample()
    with path.open("rb") as file:
        while piece := file.readline(_PIECE):
            sample.add(piece)
    if sample.mostly_utf8:
        raise UnreadableFile(
            f"line {line} is not UTF-8, although other lines are: the file mixes encodings. Mend that line,"
            " or name the encoding of the whole file with --encoding NAME"
        )
    guess, readings = sample.guess()
    if guess is None:
        raise UnreadableFile(
            f"line {line} is not UTF-8, and the encoding cannot be told for certain{_offered(readings)}."
            " Name it with --encoding NAME (Excel on a Western Windows writes cp1252), or save as UTF-8"
        )
    return _found(path, guess)


def _offered(readings: list[tuple[str, str]]) -> str:
    shown = [f"{letters!r} in {codec}" for codec, letters in readings[:4]]
    return f": its letters are {', '.join(shown)}" if shown else ""
