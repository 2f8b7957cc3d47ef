"""What a spreadsheet makes of texts that look like numbers, dates or truth values when it opens and saves a CSV."""

import re
from datetime import datetime

_SCIENTIFIC = re.compile(r"[+-]?\d(?:[.,]\d+)?[eE]\+?\d{1,3}")
_SIGNED_EXPONENT = re.compile(r"[+-]?\d(?:[.,]\d+)?[eE]\+\d{1,3}")
_WHOLE_WITH_FRACTION = re.compile(r"\d+[.,]0+")
_CUT_OFF = re.compile(r"\d{15}0+")  # it keeps 15 digits of a number
_ERROR = re.compile(r"#+|#(?:N/A|REF!|VALUE!|NAME\?|DIV/0!|NUM!|NULL!)|Err:\d{3}", re.IGNORECASE)
_NUMBER = re.compile(r"[+-]?(?:\d+(?:[.,]\d*)?|[.,]\d+)(?:[eE][+-]?\d{1,4})?")
_DATE_LIKE = re.compile(
    r"\d{1,4}[-/.]\d{1,2}(?:[-/.]\d{1,4})?|\d{1,2}[-/ ]?[A-Za-z]{3,9}(?:[-/ ]?\d{2,4})?|[A-Za-z]{3,9}[-/ ]?\d{1,4}"
)
_DATE = re.compile(
    r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}(?: \d{1,2}:\d\d(?::\d\d)?)?|\d{1,2}[- ][A-Za-z]{3}(?:[- ]\d{2,4})?"
)
_TIME = re.compile(r"\d{1,3}:\d\d(?::\d\d)?(?: [AP]M)?")
ADVICE = "export the file again and keep it as text (XLSX keeps it), or write the id as it was"


def rewriting(text: str) -> str | None:
    """How a spreadsheet has rewritten an id, where its form shows that; None for other texts."""
    if _SIGNED_EXPONENT.fullmatch(text):
        return f"holds {text!r}, which a spreadsheet made of a longer number: {ADVICE}"
    if _WHOLE_WITH_FRACTION.fullmatch(text):
        return f"holds {text!r}, which a spreadsheet or a program made of a whole number: {ADVICE}"
    if _ERROR.fullmatch(text):
        return f"holds {text!r}, which a spreadsheet shows in place of a value: {ADVICE}"
    return None


def is_rewritten(stored: str, written: str) -> bool:
    """Whether a spreadsheet may have made the one of the other: another text for the same number, date or truth."""
    if stored == written:
        return False
    if _is_misread(stored, written):
        return True
    if stored.casefold() == written.casefold():
        return stored.casefold() in ("true", "false")
    if _NUMBER.fullmatch(stored) and _NUMBER.fullmatch(written):
        return _is_same_number(stored, written)
    is_date = bool(_DATE.fullmatch(written) or re.fullmatch(r"\d{4,6}", written))
    if _DATE_LIKE.fullmatch(stored) and is_date:
        return _is_date(stored)
    if _TIME.fullmatch(stored):
        return bool(_TIME.fullmatch(written))
    return stored.endswith("%") and written.rstrip("%").replace(".", "").isdecimal() and "%" not in stored[:-1]


def _is_misread(stored: str, written: str) -> bool:
    """Whether UTF-8 was opened as Windows-1252, as spreadsheets open a CSV without a byte order mark."""
    if stored.isascii() or written.isascii():
        return False
    try:
        read = bytes(_byte(letter) for letter in written.removeprefix("'")).decode()
    except ValueError:
        return False
    return read == stored


def _byte(letter: str) -> int:
    """The byte that Windows-1252 shows as this letter; LibreOffice shows undefined ones in a private area."""
    if 0xF180 <= ord(letter) <= 0xF19F:
        return ord(letter) - 0xF100
    return letter.encode("cp1252")[0] if ord(letter) > 255 else ord(letter)


def _is_same_number(stored: str, written: str) -> bool:
    try:
        one, other = float(stored.replace(",", ".")), float(written.replace(",", "."))
    except OverflowError:
        return True
    tolerance = 1e-14 if _SCIENTIFIC.fullmatch(written) is None else 1e-2
    return one == other or abs(one - other) <= abs(one) * tolerance


def _is_date(text: str) -> bool:
    """Whether a text such as `3-4`, `MAR1` or `2026-03` may be taken for a date."""
    numbers = [int(number) for number in re.findall(r"\d+", text)]
    words = [word[:3].casefold() for word in re.findall(r"[A-Za-z]+", text)]
    months = {datetime(2000, month, 1).strftime("%b").casefold() for month in range(1, 13)}
    return bool(set(words) <= months) and any(1 <= number <= 31 for number in numbers)


class Digits:
    """The ids of one column that are digits only: together they show zeros removed in front, or put in at the end."""

    def __init__(self) -> None:
        self._widths: set[int] = set()
        self._leading = self._all = self._longest = self._long = self._cut_off = 0

    def add(self, text: str) -> None:
        text = text.strip()
        if not (text.isascii() and text.isdecimal()):
            return
        self._all += 1
        self._longest = max(self._longest, len(text))
        if text.startswith("0") and len(text) > 1:
            self._leading += 1
            self._widths.add(len(text))
        if len(text) > 15:
            self._long += 1
            self._cut_off += 2 if len(text) > 17 and _CUT_OFF.fullmatch(text) else bool(_CUT_OFF.fullmatch(text))

    def problem(self, text: str) -> str | None:
        text = text.strip()
        if not (text.isascii() and text.isdecimal()):
            return None
        if self._is_short(text):
            return (
                f"holds {text!r} where the others have {self._longest} digits and begin with a zero: a spreadsheet has"
                f" removed zeros. {_SENTENCE}"
            )
        # Of whole numbers one in ten ends with a zero, of those of a spreadsheet with 16 digits each does.
        if len(text) > 15 and self._cut_off > 1 and self._cut_off >= self._long:
            return f"holds {text!r}, whose last digits a spreadsheet has replaced by zeros. {_SENTENCE}"
        return None

    def _is_short(self, text: str) -> bool:
        is_usual = len(self._widths) == 1 and self._leading >= 2 and 2 * self._leading >= self._all
        return is_usual and self._longest in self._widths and len(text) < self._longest


_SENTENCE = f"{ADVICE[0].upper()}{ADVICE[1:]}. If it is right, name the column by --map"
