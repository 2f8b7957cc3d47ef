"""The one statement of a report: users into buckets, measures merged, gaps filled, ids named, the best rows chosen."""

from collections.abc import Sequence
from datetime import datetime

from models.database import Statement
from resolvers import users
from resolvers.conditions import compiled
from resolvers.history import text_at
from resolvers.reports_dimensions import COLUMNS, NAMES, Grouping, expression, following, grouping, several
from resolvers.reports_questions import Dimension, Measure, Question
from resolvers.reports_words import AGES, MANY, ColumnKind, DimensionField, MeasureKind, kind_of
from resolvers.sources import Sql

MOST_BUCKETS = 100_000  # that filling may make, of all moments together
TOTAL, SIZE, HERE = range(3)  # where a row of the answer tells of the whole; then come its own values


class Composer:
    """Common tables, one after the other. `condition` is which users count.

    Of each table: `d0`, `d1` … are keys of dimensions, `l0` … how they are spelled, `v0` … how they are called, `m0` …
    measures, `n` is the number of users. `most` is how many buckets filling may make.
    """

    def __init__(self, sql: Sql, question: Question, condition: str, moment: datetime, most: int) -> None:
        self.sql = sql
        self.question = question
        self.condition = condition
        self.moment = moment
        self.most = most
        self.grouping: Grouping = grouping(sql, question.dimensions, moment)
        self.tables = list(self.grouping.tables)
        self.keys = [f"d{place}" for place in range(len(question.dimensions))]
        self.spellings = [f"l{place}" for place in self.grouping.spellings]
        self.measures = [f"m{place}" for place in range(len(question.measures))]

    def statement(self, *, total: bool, ranked: bool = False) -> Statement:
        """Rows of `values` behind TOTAL, SIZE and HERE; one row where there is no bucket, of which HERE is null.

        `ranked`: HERE tells the bucket's place among all.
        """
        total |= any(each.kind is MeasureKind.SHARE for each in self.question.measures)
        buckets, size = self._buckets()
        self.tables.append(f"facts(total, size) AS (SELECT {self._total() if total else _NONE}, {size or _NONE})")
        self.tables.append(f"named AS ({self._named(buckets)})")
        order = self._order()
        here = f"ROW_NUMBER() OVER ({order.strip()})" if ranked else "1"
        chosen = f"SELECT {here} AS here, named.* FROM named{self._having()}{order} LIMIT {self.question.first + 1}"
        values = "".join(f", chosen.{name}" for name in self.values)
        listed = f"WITH RECURSIVE {', '.join(self.tables)} SELECT facts.total, facts.size, chosen.here{values}"
        text = f"{listed} FROM facts LEFT JOIN ({chosen}) chosen ON true{order}"
        return Statement(text, self.sql.values, anew=True, listed=len(listed))

    @property
    def values(self) -> list[str]:
        """Of each dimension its key, and its name where it has one; then the measures."""
        return [*self.keys, *(f"v{place}" for place in self.called), *self.measures]

    @property
    def called(self) -> list[int]:
        """The dimensions whose key is not what is shown."""
        dimensions = enumerate(self.question.dimensions)
        return [place for place, each in dimensions if each.field in NAMES or each.field is DimensionField.TAG]

    def _buckets(self) -> tuple[str, str | None]:
        """The table that holds every bucket whole, and what tells how many filling would make."""
        parts = [self._base()]
        later = [each.of for each in self.question.measures if _is_later(each)]
        parts += [self._different(of) for of in dict.fromkeys(later) if of is not None]
        size = None
        if any(each.fill for each in self.question.dimensions):
            part, size = self._gaps()
            parts.append(part)
        if len(parts) == 1:
            return parts[0], size
        every = " UNION ALL ".join(f"SELECT * FROM {part}" for part in parts)
        merged = [f"MAX({name}) AS {name}" for name in (*self.spellings, *self.measures, "n")]
        grouped = f" GROUP BY {', '.join(self.keys)}" if self.keys else ""
        self.tables.append(f"merged AS (SELECT {', '.join([*self.keys, *merged])} FROM ({every}) parts{grouped})")
        return "merged", size

    def _base(self) -> str:
        """Users grouped by ids and cheap expressions, with all measures that need no join of their own."""
        spelled = [f"{aggregate} AS l{place}" for place, aggregate in self.grouping.spellings.items()]
        measured = [f"{self._aggregate(each)} AS m{place}" for place, each in enumerate(self.question.measures)]
        self._group("base", [*spelled, *measured, "COUNT(*) AS n"], self.grouping.joins)
        return "base"

    def _group(self, table: str, aggregates: Sequence[str], joins: str) -> None:
        keys = [f"{key} AS d{place}" for place, key in enumerate(self.grouping.keys)]
        places = f" GROUP BY {', '.join(str(place + 1) for place in range(len(keys)))}" if keys else ""
        text = f"SELECT {', '.join([*keys, *aggregates])} FROM users t{joins} WHERE {self.condition}{places}"
        self.tables.append(f"{table} AS MATERIALIZED ({text})")

    def _aggregate(self, measure: Measure) -> str:
        if _is_later(measure):
            return _ZERO
        only = compiled(self.sql, users.SOURCE, "t", measure.where)
        filtered = f" FILTER (WHERE {only})" if only else ""
        if measure.of is None:
            return f"COUNT(*){filtered}"
        if measure.kind is MeasureKind.DISTINCT:
            return f"COUNT(DISTINCT {expression(self.sql, measure.of, None, self.moment)}){filtered}"
        return f"{'MIN' if measure.kind is MeasureKind.FIRST else 'MAX'}({COLUMNS[measure.of]}){filtered}"

    def _different(self, of: DimensionField) -> str:
        """The same buckets with how many different groups, say, their users have: a join that counts users twice."""
        key, join = several(self.sql, of)
        measured = []
        for place, each in enumerate(self.question.measures):
            made = _NO_MOMENT if each.kind.is_moment else _ZERO
            if _is_later(each) and each.of is of:
                only = compiled(self.sql, users.SOURCE, "t", each.where)
                made = f"COUNT(DISTINCT {key})" + (f" FILTER (WHERE {only})" if only else "")
            measured.append(f"{made} AS m{place}")
        spelled = [f"{_NO_TEXT} AS {name}" for name in self.spellings]
        table = f"different_{of.lower()}"
        self._group(table, [*spelled, *measured, f"{_ZERO} AS n"], self.grouping.joins + join)
        return table

    def _gaps(self) -> tuple[str, str]:
        """Buckets of nobody: each axis from its first to its last bucket, with every combination of the others."""
        axes = [place for place, each in enumerate(self.question.dimensions) if each.fill]
        for place in axes:
            self.tables.append(self._axis(place, self.question.dimensions[place]))
        others = [name for place, name in enumerate(self.keys) if place not in axes]
        self.tables.append(f"others AS (SELECT DISTINCT {', '.join(others) or '1 AS one'} FROM base)")
        # Of numbers that have no end: several axes of days are more than an integer holds.
        sizes = [
            f"CAST((SELECT COUNT(*) FROM {table}) AS double precision)"
            for table in ("others", *(f"axis{place}" for place in axes))
        ]
        self.tables.append(f"sizes(size) AS (SELECT {' * '.join(sizes)})")
        keys = [f"axis{place}.start AS {name}" if place in axes else f"others.{name}"
                for place, name in enumerate(self.keys)]  # fmt: skip
        moments = [each.kind.is_moment for each in self.question.measures]
        nothing = [f"{_NO_MOMENT if moment else _ZERO} AS m{place}" for place, moment in enumerate(moments)]
        spelled = [f"{_NO_TEXT} AS {name}" for name in self.spellings]
        crossed = "".join(f" CROSS JOIN axis{place}" for place in axes)
        self.tables.append(
            f"gaps AS (SELECT {', '.join([*keys, *spelled, *nothing, f'{_ZERO} AS n'])} FROM others{crossed}"
            f" WHERE (SELECT size FROM sizes) <= {self.most})"
        )
        return "gaps", "(SELECT size FROM sizes)"

    def _axis(self, place: int, dimension: Dimension) -> str:
        assert dimension.every is not None
        after = following(self.sql.dialect, dimension.every, "start")
        return (
            f"axis{place}(start, number) AS (SELECT low, 1 FROM (SELECT MIN(d{place}) AS low FROM base) lowest"
            f" WHERE low IS NOT NULL UNION ALL SELECT {after}, number + 1 FROM axis{place}"
            f" WHERE start < (SELECT MAX(d{place}) FROM base) AND number <= {self.most})"
        )

    def _total(self) -> str:
        """All users that count: the sum of the buckets, unless some stand in several."""
        if self.grouping.is_many:
            return f"(SELECT COUNT(*) FROM users t WHERE {self.condition})"
        return "(SELECT CAST(COALESCE(SUM(n), 0) AS bigint) FROM base)"

    def _named(self, buckets: str) -> str:
        """Ids turn into names now that few are left. A neighbour that the viewer may not see is as absent as none."""
        shown, joins = [f"b.{name}" for name in self.keys], ""
        for place in self.called:
            source = NAMES.get(self.question.dimensions[place].field)
            if source is None:  # spelled in several ways: the first of them, in whatever bucket
                shown.append(f"MIN(b.l{place}) OVER (PARTITION BY b.d{place}) AS v{place}")
                continue
            visible = source.visible(self.sql, f"n{place}")
            condition = f" AND {visible}" if visible else ""
            joins += f" LEFT JOIN {source.table} n{place} ON n{place}.id = b.d{place}{condition}"
            shown.append(f"n{place}.name AS v{place}")
        for name, each in zip(self.measures, self.question.measures, strict=True):
            divided = _DIVIDED.get(each.kind)
            shown.append(f"{divided.format(name)} AS {name}" if divided else f"b.{name}")
        return f"SELECT {', '.join(shown)} FROM {buckets} b CROSS JOIN facts{joins}"

    def _having(self) -> str:
        conditions = [
            f"m{each.measure} {each.sign} CAST({self.sql.place(each.number)} AS double precision)"
            for each in self.question.having
        ]
        return f" WHERE {' AND '.join(conditions)}" if conditions else ""

    def _order(self) -> str:
        """What was asked for, then every dimension: buckets differ in them, so that the order is always the same."""
        places = self._places()
        terms = [self._term(*places[name], down=down) for name, down in self.question.order]
        for place, each in enumerate(self.question.dimensions):
            terms += [self._term(f"v{place}", True, down=False)] * (place in self.called)
            terms.append(self._term(f"d{place}", _is_text(each), down=False))
        return f" ORDER BY {', '.join(dict.fromkeys(terms))}" if terms else ""

    def _places(self) -> dict[str, tuple[str, bool]]:
        """Where each column of the report stands, and whether it is text."""
        found: dict[str, tuple[str, bool]] = {}
        for place, each in enumerate(self.question.dimensions):
            found[each.column] = (f"v{place}", True) if place in self.called else (f"d{place}", _is_text(each))
            if kind_of(each.field) is ColumnKind.ID:
                found[f"{each.column}Id"] = (f"d{place}", False)
        return found | {each.column: (f"m{place}", False) for place, each in enumerate(self.question.measures)}

    def _term(self, name: str, is_text: bool, *, down: bool) -> str:
        """PostgreSQL places nulls the other way round by itself, and may sort texts by its cluster's language."""
        if self.sql.dialect.name == "sqlite":
            return f"{name} {'DESC' if down else 'ASC'}"
        collated = f'{name} COLLATE "C"' if is_text else name
        return f"{collated} {'DESC NULLS LAST' if down else 'ASC NULLS FIRST'}"


_NONE = "CAST(NULL AS bigint)"
_ZERO = "CAST(0 AS bigint)"
_NO_MOMENT = "CAST(NULL AS timestamptz)"
_NO_TEXT = "CAST(NULL AS text)"
_DIVIDED = {
    MeasureKind.SHARE: "CAST(b.{} AS double precision) / NULLIF(facts.total, 0)",
    MeasureKind.RATE: "CAST(b.{} AS double precision) / NULLIF(b.n, 0)",
}


def at_each(moments: Sequence[datetime], ranked: Statement, most: int) -> Statement:
    """The same question as of each moment, whose number stands last in the rows: the first row of each comes first."""
    taken = len(ranked.values)
    parts = [
        f"SELECT w{number}.*, {number} AS moment FROM ({text_at(f'${taken + number + 1}', ranked.sql)}) w{number}"
        for number in range(len(moments))
    ]
    order = "ORDER BY CASE WHEN here > 1 THEN 1 ELSE 0 END, moment, here"
    return ranked._replace(
        sql=f"SELECT * FROM ({' UNION ALL '.join(parts)}) every {order} LIMIT {most}",
        values=[*ranked.values, *moments],
        listed=0,
    )


def _is_text(dimension: Dimension) -> bool:
    """Whether its key is: ages are numbers until they are shown."""
    return kind_of(dimension.field) is ColumnKind.TEXT and dimension.field not in AGES


def _is_later(measure: Measure) -> bool:
    """Whether it needs a join that would count users several times."""
    return measure.kind is MeasureKind.DISTINCT and measure.of in MANY
