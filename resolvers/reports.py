"""Reports on users: what may be asked, and the answer to a checked question from one statement."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from models.database import Record, Steps
from models.dialects import Dialect
from models.errors import Invalid
from models.values import now, rfc3339
from resolvers import history, user_search, users
from resolvers.conditions import asked_by, conditions
from resolvers.policy import Viewer, may_read
from resolvers.reports_dimensions import NAMES, first_day
from resolvers.reports_moments import moments
from resolvers.reports_questions import AS_OF, MOST_ROWS, Question, columns_of
from resolvers.reports_statement import HERE, MOST_BUCKETS, SIZE, TOTAL, Composer, at_each
from resolvers.reports_words import AGE_LABELS, AGES, READS, ColumnKind, DimensionField, kind_of
from resolvers.sources import Sql

Value = Callable[[Record], Any]


@dataclass(frozen=True)
class Answer:
    """Rows by the names of their columns. `total` is counted only where it was asked for."""

    rows: Sequence[dict[str, Any]]
    total: int | None
    has_more: bool


def hidden(viewer: Viewer, question: Question) -> list[str]:
    """The fields that the question leans on and the viewer may not read, in the order asked."""
    searched = [("User", "name")] if searches(question) else []
    return _meant(question, searched, lambda type_name, name: not may_read(viewer, type_name, name))


def require_past(viewer: Viewer, question: Question, history_days: int) -> list[str]:
    """What the question leans on though it has no history.

    Raises Forbidden, and Invalid for what is yet to come or no longer kept.
    """
    if question.as_of is not None:
        history.require(viewer, "asOf")
        history.require_recorded(question.as_of, history_days, "asOf")
    if question.axis is not None:
        history.require(viewer, "asOfEach")
        first = moments(question.axis, now())[0]
        history.require_recorded(first, history_days, "asOfEach", "from")
    return _meant(question, [], history.is_absent) + ["search"] * searches(question)


def searches(question: Question) -> bool:
    return bool((question.search or "").strip())


def _meant(question: Question, more: Sequence[tuple[str, str]], is_meant: Callable[[str, str], bool]) -> list[str]:
    """The fields that are grouped, measured or narrowed by, of those that are meant."""
    fields = [each for dimension in question.dimensions for each in READS[dimension.field]]
    if any(dimension.level is not None for dimension in question.dimensions):
        fields.append(("Organization", "parent"))
    fields += [each for measure in question.measures if measure.of for each in READS[measure.of]]
    found = [f"{type_name}.{name}" for type_name, name in (*fields, *more) if is_meant(type_name, name)]
    for where in (question.where, *(measure.where for measure in question.measures)):
        found += asked_by(users.SOURCE, where, is_meant)
    return list(dict.fromkeys(found))


def answer(viewer: Viewer, dialect: Dialect, question: Question, *, total: bool) -> Steps[Answer]:
    """Raises Invalid where filling an axis would make too many buckets. Who may ask what is settled before."""
    present = now()
    asked = moments(question.axis, present) if question.axis is not None else [question.as_of]
    sql = Sql(viewer if asked == [None] else history.viewer_of(viewer), dialect)
    condition = yield from _condition(sql, question)
    composer = Composer(sql, question, condition, present, MOST_BUCKETS // len(asked))
    if question.axis is None:
        statement = composer.statement(total=total)
        rows = yield (statement if question.as_of is None else history.then(question.as_of, statement))
        tables = [rows]
    else:
        past = [moment for moment in asked if moment is not None]
        tables = yield from (_one_by_one if dialect.name == "sqlite" else _together)(composer, past, total=total)
    return _answered(question, composer, list(zip(asked, tables, strict=True)), total=total)


def _together(composer: Composer, past: Sequence[datetime], *, total: bool) -> Steps[list[Sequence[Record]]]:
    """One round trip for all moments."""
    rows = yield at_each(past, composer.statement(total=total, ranked=True), MOST_ROWS + len(past) + 1)
    return [sorted((row for row in rows if row[-1] == number), key=_rank) for number in range(len(past))]


def _one_by_one(composer: Composer, past: Sequence[datetime], *, total: bool) -> Steps[list[Sequence[Record]]]:
    """SQLite has no round trips to save, and keeps what it sorts of each part until its whole statement has ended."""
    statement = composer.statement(total=total)
    tables: list[Sequence[Record]] = []
    left = MOST_ROWS + 1
    for moment in past:
        rows = yield history.then(moment, statement)
        tables.append(rows[: max(left, 1)])  # the first tells of the whole
        left -= len(tables[-1])
    return tables


def _rank(row: Record) -> int:
    return row[HERE] or 0


def _answered(
    question: Question, composer: Composer, tables: Sequence[tuple[datetime | None, Sequence[Record]]], *, total: bool
) -> Answer:
    """`total` is that of the last moment, as are the rows that are left where there are too many."""
    values, found, has_more = _values(question, composer), [], False
    for moment, rows in tables:
        whole = rows[0]
        if whole[SIZE] is not None and whole[SIZE] > composer.most:
            place = next(place for place, each in enumerate(question.dimensions) if each.fill)
            reason = f"Filled, this would have more than {composer.most} buckets. Ask for longer ones, or fewer users."
            raise Invalid("groupBy", place, "fill", reason=reason)
        here = [] if whole[HERE] is None else rows
        has_more |= len(here) > question.first
        told = {AS_OF: _instant(moment)} if question.axis is not None else {}
        found += [{**told, **{name: value(row) for name, value in values}} for row in here[: question.first]]
    most = MOST_ROWS if question.axis is not None else question.first
    return Answer(found[:most], tables[-1][1][0][TOTAL] if total else None, has_more or len(found) > most)


def _condition(sql: Sql, question: Question) -> Steps[str]:
    """As lists of users have it: what the viewer may see, `where` and `search`."""
    condition = conditions(sql, users.SOURCE, "t", question.where)
    if question.search is None or not searches(question):
        return condition
    hits_first = yield from user_search.hits_first(sql.dialect, question.search, True)
    return f"{condition} AND {user_search.search(sql, 't', question.search, hits_first=hits_first)}"


def _values(question: Question, composer: Composer) -> list[tuple[str, Value]]:
    """For each column, how it comes from a row."""
    places = {name: place for place, name in enumerate(composer.values, HERE + 1)}
    found: list[tuple[str, Value]] = []
    for number, dimension in enumerate(question.dimensions):
        key, called = places[f"d{number}"], places.get(f"v{number}")
        for column in columns_of(dimension):
            if column.kind is ColumnKind.ID:
                assert called is not None
                found.append((column.name, _id(dimension.field, key, called)))
            elif dimension.field in AGES:
                found.append((column.name, lambda row, at=key: AGE_LABELS[row[at]]))  # type: ignore[misc]
            else:
                found.append((column.name, _plain(column.kind, key if called is None else called)))
    for number, measure in enumerate(question.measures):
        found.append((measure.column, _plain(kind_of(measure.kind), places[f"m{number}"])))
    return found


def _id(field: DimensionField, key: int, called: int) -> Value:
    """The typed id; of what the viewer may not see there is neither name nor id."""
    prefix = NAMES[field].prefix
    return lambda row: None if row[called] is None else f"{prefix}_{row[key]}"


def _plain(kind: ColumnKind, place: int) -> Value:
    """The same values from both databases: SQLite keeps flags as numbers and times as text."""
    if kind is ColumnKind.FLAG:
        return lambda row: bool(row[place])
    if kind is ColumnKind.DATE:
        return lambda row: None if row[place] is None else first_day(row[place])
    if kind is ColumnKind.INSTANT:
        return lambda row: None if row[place] is None else _instant(row[place])
    return lambda row: row[place]


def _instant(moment: Any) -> str:
    """RFC 3339 with a `Z`."""
    return rfc3339(moment if isinstance(moment, datetime) else datetime.fromisoformat(moment))
