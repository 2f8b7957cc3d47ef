"""The moments of a report: the ends of the intervals of an axis."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from models.errors import Invalid
from resolvers.reports_words import Interval

MOST_MOMENTS = 120
_MONTHS = {Interval.MONTH: 1, Interval.QUARTER: 3, Interval.YEAR: 12}
_DAYS = {Interval.DAY: 1, Interval.WEEK: 7}


@dataclass(frozen=True)
class Axis:
    """From the interval that holds `start` to the one that holds `end`, which None puts to now."""

    start: datetime
    end: datetime | None
    every: Interval


def moments(axis: Axis, present: datetime) -> list[datetime]:
    """The last microsecond of each interval, of the last one its end or what has been of it. Raises Invalid."""
    last = axis.end or present
    if last > present:
        raise Invalid("asOfEach", "to", reason="to lies in the future. Name a moment that has been, or leave it out.")
    if axis.start > last:
        raise Invalid("asOfEach", "from", reason="from lies behind to.")
    found: list[datetime] = []
    day = _first_day(axis.start, axis.every)
    while not found or found[-1] < last:
        if len(found) == MOST_MOMENTS:
            reason = f"This has more than {MOST_MOMENTS} moments. Ask for longer intervals, or fewer."
            raise Invalid("asOfEach", "every", reason=reason)
        day = _next(day, axis.every)
        end = datetime.combine(day, time(tzinfo=UTC)) - timedelta(microseconds=1)
        found.append(min(end, last))
    return found


def _first_day(moment: datetime, every: Interval) -> date:
    day = moment.astimezone(UTC).date()
    if every in _DAYS:
        return day - timedelta(days=day.weekday() if every is Interval.WEEK else 0)
    months = _MONTHS[every]
    return date(day.year, (day.month - 1) // months * months + 1, 1)


def _next(day: date, every: Interval) -> date:
    if every in _DAYS:
        return day + timedelta(days=_DAYS[every])
    months = day.year * 12 + day.month - 1 + _MONTHS[every]
    return date(months // 12, months % 12 + 1, 1)
