"""Reports on users: what may be asked, and the answer to a checked question from one statement."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from models.database import Record, Steps
from models.dialects import Dialect
from models.errors import Invalid
from models.values import now
from resolvers import user_search, users
from resolvers.conditions import conditions, unreadable
from resolvers.policy import Viewer, may_read
from resolvers.reports_dimensions import NAMES
from resolvers.reports_questions import Question, columns_of
from resolvers.reports_statement import HERE, MOST_BUCKETS, SIZE, TOTAL, Composer
from resolvers.reports_words import AGE_LABELS, AGES, READS, ColumnKind, DimensionField
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
    fields = [each for dimension in question.dimensions for each in READS[dimension.field]]
    if any(dimension.level is not None for dimension in question.dimensions):
        fields.append(("Organization", "parent"))
    fields += [each for measure in question.measures if measure.of for each in READS[measure.of]]
    if (question.search or "").strip():
        fields += [("User", name) for name in ("username", "email", "aliases")]
    found = [f"{type_name}.{name}" for type_name, name in fields if not may_read(viewer, type_name, name)]
    for where in (question.where, *(measure.where for measure in question.measures)):
        found += unreadable(viewer, users.SOURCE, where)
    return list(dict.fromkeys(found))


def answer(viewer: Viewer, dialect: Dialect, question: Question, *, total: bool) -> Steps[Answer]:
    """Raises Invalid where filling an axis would make too many buckets. Who may ask what is settled by `hidden`."""
    sql = Sql(viewer, dialect)
    condition = yield from _condition(sql, question)
    composer = Composer(sql, question, condition, now())
    rows = yield composer.statement(total=total)
    whole = rows[0]
    if whole[SIZE] is not None and whole[SIZE] > MOST_BUCKETS:
        place = next(place for place, each in enumerate(question.dimensions) if each.fill)
        reason = f"Filled, this would have more than {MOST_BUCKETS} buckets. Ask for longer ones, or fewer users."
        raise Invalid("groupBy", place, "fill", reason=reason)
    found = [] if whole[HERE] is None else rows
    values = _values(question, composer)
    shaped = [{name: value(row) for name, value in values} for row in found[: question.first]]
    return Answer(shaped, whole[TOTAL] if total else None, len(found) > question.first)


def _condition(sql: Sql, question: Question) -> Steps[str]:
    """As lists of users have it: what the viewer may see, `where` and `search`."""
    condition = conditions(sql, users.SOURCE, "t", question.where)
    if not (question.search or "").strip():
        return condition
    assert question.search is not None
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
        kind = ColumnKind.INSTANT if measure.kind.is_moment else ColumnKind.NUMBER
        found.append((measure.column, _plain(kind, places[f"m{number}"])))
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
        return lambda row: _text(row[place])[:10] if row[place] is not None else None
    if kind is ColumnKind.INSTANT:
        return lambda row: _text(row[place]).replace("+00:00", "Z") if row[place] is not None else None
    return lambda row: row[place]


def _text(moment: Any) -> str:
    """RFC 3339, but for the `Z`."""
    return moment.isoformat() if isinstance(moment, datetime) else moment.replace(" ", "T", 1)
