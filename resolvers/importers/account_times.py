"""Moments at which accounts of other systems begin and end, in the forms in which those systems write them."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "jan january januar",
            "feb february februar",
            "mar march mär märz",
            "apr april",
            "may mai",
            "jun june juni",
            "jul july juli",
            "aug august",
            "sep sept september",
            "oct october okt oktober",
            "nov november",
            "dec december dez dezember",
        ),
        1,
    )
    for name in names.split()
}
# What stands where there is no date: words, zero dates of databases and of .NET, the end of AD's calendar.
_NEVER = re.compile(
    r"never( expires)?|none|null|nil|n/?a|no|false|unlimited|infinity|forever|-+|0|-1|nie|jamais|nunca"
    r"|0000-00-00.*|0001-01-01.*|1/1/0001.*|01/01/0001.*|01\.01\.0001.*|1601-01-01.*|1/1/1601.*|01\.01\.1601.*"
    r"|9\.22\d*e\+?18|00000000(000000)?z?",
    re.IGNORECASE,
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FILETIME_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
_TIME = r"(?:[T ,]+(?P<hour>\d{1,2}):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,]\d+)?)?\s*(?P<half>[AaPp]\.?[Mm]\.?)?)?"
_ZONE = r"\s*(?P<zone>Z|UTC|GMT|[+-]\d\d:?\d\d|[+-]\d\d)?"
_GENERALIZED = re.compile(
    r"(?P<y>\d{4})(?P<m>\d\d)(?P<d>\d\d)(?:(?P<hour>\d\d)(?P<minute>\d\d)?(?P<second>\d\d)?(?:[.,]\d+)?)?(?P<half>)"
    r"(?P<zone>Z|[+-]\d\d:?(?:\d\d)?)?"
)
_YEAR_FIRST = re.compile(rf"(?P<y>\d{{4}})[-/.](?P<m>\d{{1,2}})[-/.](?P<d>\d{{1,2}}){_TIME}{_ZONE}")
_DOTTED = re.compile(rf"(?P<d>\d{{1,2}})\.\s*(?P<m>\d{{1,2}})\.\s*(?P<y>\d{{4}}){_TIME}{_ZONE}")
_SLASHED = re.compile(rf"(?P<a>\d{{1,2}})[/-](?P<b>\d{{1,2}})[/-](?P<y>\d{{4}}){_TIME}{_ZONE}")
_DAY_MONTH = re.compile(rf"(?:\w+,\s*)?(?P<d>\d{{1,2}})\.?[ -](?P<name>[^\W\d_]+)\.?[ ,-]+(?P<y>\d{{4}}){_TIME}{_ZONE}")
_MONTH_DAY = re.compile(
    rf"(?:\w+,\s*)?(?P<name>[^\W\d_]+)\.?[ -](?P<d>\d{{1,2}})(?:st|nd|rd|th)?,?[ -](?P<y>\d{{4}}){_TIME}{_ZONE}"
)
_JSON_DATE = re.compile(r"\\?/Date\((-?\d+)(?:[+-]\d{4})?\)\\?/")
_DAYS_UNTIL_SECONDS = 10**8
_DAYS_UNTIL_MILLISECONDS = 10**11
_MICROSECONDS = 10**14
_FILETIME = 10**16
_LAST_FILETIME = 2_650_467_744_000_000_000  # the year 10000


class UnknownTime(Exception):
    """No moment can be read from the value."""


def is_never(value: Any) -> bool:
    """Whether a value stands for no moment at all."""
    return value is None or value is False or not str(value).strip() or bool(_NEVER.fullmatch(str(value).strip()))


def readings(value: Any) -> list[datetime]:
    """Every moment that the value may mean: two where day and month could be either. Raises UnknownTime.

    A date without a time means the end of its day.
    """
    text = str(value).strip()
    if match := _JSON_DATE.fullmatch(text):
        return [_after(_EPOCH, milliseconds=int(match[1]))]
    for pattern, read in _FORMS.items():
        if match := pattern.fullmatch(text):
            found = list(read(match))
            if found:
                return found
    if re.fullmatch(r"\d{1,19}(\.0+)?", text):
        return [_from_number(int(text.partition(".")[0]))]
    raise UnknownTime


def is_past(value: Any, moment: datetime) -> bool | None:
    """Whether the moment is over; None where the value means none. Raises UnknownTime."""
    if is_never(value):
        return None
    try:
        found = {reading <= moment for reading in readings(value)}
    except (OverflowError, ValueError) as error:
        raise UnknownTime from error
    if len(found) != 1:
        raise UnknownTime
    return found.pop()


def day(value: Any) -> datetime:
    """A number of days since 1970, as shadow's fields hold. Raises UnknownTime."""
    if not re.fullmatch(r"\d{1,7}", str(value).strip()):
        raise UnknownTime
    return _after(_EPOCH, days=int(str(value)))


def _from_number(number: int) -> datetime:
    if number >= _LAST_FILETIME:
        return datetime.max.replace(tzinfo=UTC)
    if number >= _FILETIME:
        return _after(_FILETIME_EPOCH, microseconds=number // 10)
    if number >= _MICROSECONDS:
        return _after(_EPOCH, microseconds=number)
    if number >= _DAYS_UNTIL_MILLISECONDS:
        return _after(_EPOCH, milliseconds=number)
    if number >= _DAYS_UNTIL_SECONDS:
        return _after(_EPOCH, seconds=number)
    raise UnknownTime


def _after(epoch: datetime, **span: int) -> datetime:
    try:
        return epoch + timedelta(**span)
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)


def _dated(match: re.Match[str]) -> Iterator[datetime]:
    yield from _moment(match, int(match["y"]), int(match["m"]), int(match["d"]))


def _named(match: re.Match[str]) -> Iterator[datetime]:
    month = MONTHS.get(match["name"].casefold())
    if month:
        yield from _moment(match, int(match["y"]), month, int(match["d"]))


def _either(match: re.Match[str]) -> Iterator[datetime]:
    """America writes the month first, others the day."""
    year, first, second = int(match["y"]), int(match["a"]), int(match["b"])
    yield from _moment(match, year, first, second)
    if first != second:
        yield from _moment(match, year, second, first)


def _moment(match: re.Match[str], year: int, month: int, day: int) -> Iterator[datetime]:
    half = (match["half"] or "").casefold().replace(".", "")
    hour = int(match["hour"]) if match["hour"] else 0
    if half:
        hour = hour % 12 + (12 if half == "pm" else 0)
    try:
        found = datetime(year, month, day, hour, int(match["minute"] or 0), int(match["second"] or 0), tzinfo=UTC)
    except ValueError:
        return
    offset = re.fullmatch(r"([+-])(\d\d):?(\d\d)?", match["zone"] or "")
    if offset:
        span = timedelta(hours=int(offset[2]), minutes=int(offset[3] or 0))
        found = found - span if offset[1] == "+" else found + span
    yield found if match["hour"] else _after(found, days=1)


_FORMS: dict[re.Pattern[str], Callable[[re.Match[str]], Iterator[datetime]]] = {
    _YEAR_FIRST: _dated,
    _GENERALIZED: _dated,
    _DOTTED: _dated,
    _SLASHED: _either,
    _DAY_MONTH: _named,
    _MONTH_DAY: _named,
}
