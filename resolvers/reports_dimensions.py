"""What users are grouped by, in SQL: cheap expressions over `users t`, and the joins to what a user has several of."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from models.dialects import Dialect
from resolvers import groups, organizations, providers, roles, users
from resolvers.reports_questions import Dimension
from resolvers.reports_words import AGE_DAYS, AGES, DATES, DimensionField, Interval
from resolvers.sources import Source, Sql, visible_memberships

F = DimensionField
COLUMNS = {
    F.CREATED_AT: "t.created_at",
    F.UPDATED_AT: "t.updated_at",
    F.LAST_LOGIN_AT: "t.last_login_at",
    F.LAST_API_REQUEST_AT: "t.last_api_request_at",
}
USED = {
    F.LAST_LOGIN_AGE: (COLUMNS[F.LAST_LOGIN_AT],),
    F.LAST_USE_AGE: (COLUMNS[F.LAST_LOGIN_AT], COLUMNS[F.LAST_API_REQUEST_AT]),
}
# As in resolvers/users.py, but as sets that are made once for all users, where a list of few looks each of them up.
_PROVIDERS = "t.provider_id IN (SELECT p.id FROM identity_providers p WHERE {})"
_LOCAL = _PROVIDERS.format("p.kind = 'LOCAL' AND p.is_enabled")
_SAML = _PROVIDERS.format("p.kind = 'SAML'")
_OTHER = _PROVIDERS.format("p.kind <> 'LOCAL' AND p.is_enabled")
_WITH_KEY = (
    "t.id IN (SELECT k.user_id FROM api_keys k WHERE k.revoked_at IS NULL"
    " AND (k.expires_at IS NULL OR k.expires_at > CURRENT_TIMESTAMP))"
)
_ONE = {
    F.ROLE: "t.role_id",
    F.STATE: "t.state",
    F.ACCESSIBILITY: (
        "CASE WHEN t.state <> 'ACTIVE' THEN 'NONE' WHEN t.provider_id IS NULL THEN 'API_ONLY'"
        f" WHEN {_OTHER} OR (t.password_hash IS NOT NULL AND {_LOCAL}) THEN 'INTERACTIVE'"
        f" WHEN {_WITH_KEY} THEN 'API_ONLY' ELSE 'NONE' END"
    ),
    F.IDENTITY_PROVIDER: "t.provider_id",
    F.IS_ACTIVE: users.COLUMNS["isActive"].sql.format(t="t"),
    F.IS_2FA_ENABLED: users.COLUMNS["is2faEnabled"].sql.format(t="t"),
    F.HAS_VALID_PASSWORD: (
        f"(t.state = 'ACTIVE' AND t.password_hash IS NOT NULL AND t.provider_id IS NOT NULL AND {_LOCAL})"
    ),
    F.IS_API_ONLY: users.COLUMNS["isApiOnly"].sql.format(t="t"),
    F.IS_LDAP: users.COLUMNS["isLdap"].sql.format(t="t"),
    F.IS_SAML: f"(t.provider_id IS NOT NULL AND {_SAML})",
}
# Of what a user has several of: the table, and the column that tells one from another.
_SEVERAL = {
    F.GROUP: ("group_members", "group_id"),
    F.ORGANIZATION: ("organization_members", "organization_id"),
    F.TAG: ("user_tags", "value_key"),
    F.EXTERNAL_ID_SOURCE: ("user_external_ids", "source"),
}
NAMES: dict[DimensionField, Source] = {
    F.ROLE: roles.SOURCE,
    F.IDENTITY_PROVIDER: providers.SOURCE,
    F.ORGANIZATION: organizations.SOURCE,
    F.GROUP: groups.SOURCE,
}


# An address has one @: what is quoted before it is refused when it is kept.
_DOMAIN = {"sqlite": "substr(t.email_key, instr(t.email_key, '@') + 1)", "postgres": "split_part(t.email_key, '@', 2)"}


@dataclass
class Grouping:
    """How users are grouped. `spellings` are aggregates that tell how a key is written, by the dimension's place.

    `tables` are common tables that the joins need; `is_many`: a user may come into several buckets.
    """

    keys: list[str] = field(default_factory=list)
    spellings: dict[int, str] = field(default_factory=dict)
    joins: str = ""
    tables: list[str] = field(default_factory=list)
    is_many: bool = False


def grouping(sql: Sql, dimensions: Sequence[Dimension], moment: datetime) -> Grouping:
    """Organizations at several levels are those of one membership; anything else that is several stands by itself."""
    made = Grouping()
    tree = [each.level for each in dimensions if each.field is F.ORGANIZATION]
    places = _organizations(sql, made, tree) if tree else {}
    for place, each in enumerate(dimensions):
        if each.field is F.ORGANIZATION:
            made.keys.append(places[each.level])
        elif each.field in _SEVERAL:
            alias = _join_several(sql, made, each.field)
            made.keys.append(f"{alias}.{_SEVERAL[each.field][1]}")
            if each.field is F.TAG:
                made.spellings[place] = f"MIN({alias}.value)"
        elif each.field is F.VARIABLE:
            alias = sql.alias()
            name = sql.place(each.variable)
            made.joins += f" LEFT JOIN user_variables {alias} ON {alias}.user_id = t.id AND {alias}.name_key = {name}"
            made.keys.append(f"{alias}.value")
        else:
            made.keys.append(expression(sql, each.field, each.every, moment))
    return made


def expression(sql: Sql, of: DimensionField, every: Interval | None, moment: datetime) -> str:
    """Of what every user has one of, or none. Without `every`, of a date: the moment itself."""
    if of in DATES:
        return bucket(sql.dialect, every, COLUMNS[of]) if every else COLUMNS[of]
    if of in AGES:
        return _age(sql, USED[of], moment)
    if of is F.EMAIL_DOMAIN:
        return _DOMAIN[sql.dialect.name]
    return _ONE[of]


def several(sql: Sql, of: DimensionField) -> tuple[str, str]:
    """A key of what a user may have several of, and the join that brings it, of those who have any."""
    alias, (table, key) = sql.alias(), _SEVERAL[of]
    return f"{alias}.{key}", f" JOIN {table} {alias} ON {alias}.user_id = t.id{_allowed(sql, of, alias)}"


def _allowed(sql: Sql, of: DimensionField, alias: str) -> str:
    """A further condition of a join: memberships elsewhere are no more visible in a report than in a list."""
    condition = visible_memberships(sql, alias) if of is F.ORGANIZATION else None
    return f" AND {condition}" if condition else ""


def _join_several(sql: Sql, made: Grouping, of: DimensionField) -> str:
    alias = sql.alias()
    made.joins += f" LEFT JOIN {_SEVERAL[of][0]} {alias} ON {alias}.user_id = t.id{_allowed(sql, of, alias)}"
    made.is_many = True
    return alias


def _organizations(sql: Sql, made: Grouping, levels: Sequence[int | None]) -> dict[int | None, str]:
    """The key for each level: a membership's organization, or what it lies in there; above the level, itself."""
    if list(levels) == [None]:
        return {None: f"{_join_several(sql, made, F.ORGANIZATION)}.organization_id"}
    alias, cut = sql.alias(), [level for level in levels if level is not None]
    made.tables.append(_lineage(cut))
    columns = [f"l.at{level}" for level in cut] + ["m.organization_id"] * (None in levels)
    different = "" if None in levels else "DISTINCT "  # two memberships may lie in the same organization
    allowed = _allowed(sql, F.ORGANIZATION, "m")
    made.joins += (
        f" LEFT JOIN (SELECT {different}m.user_id, {', '.join(columns)} FROM organization_members m"
        f" JOIN lineage l ON l.id = m.organization_id{allowed}) {alias} ON {alias}.user_id = t.id"
    )
    made.is_many = True
    return {level: f"{alias}.{'organization_id' if level is None else f'at{level}'}" for level in levels}


def _lineage(levels: Sequence[int]) -> str:
    """Every organization with what it lies in at each of these levels."""
    names = "".join(f", at{level}" for level in levels)
    roots = ", o.id" * len(levels)
    below = "".join(f", CASE WHEN l.depth < {level} THEN o.id ELSE l.at{level} END" for level in levels)
    return (
        f"lineage(id, depth{names}) AS (SELECT o.id, 0{roots} FROM organizations o WHERE o.parent_id IS NULL"
        f" UNION ALL SELECT o.id, l.depth + 1{below} FROM organizations o JOIN lineage l ON o.parent_id = l.id)"
    )


def _age(sql: Sql, columns: Sequence[str], moment: datetime) -> str:
    """The number of the bucket in AGE_LABELS, of the latest of these columns."""
    whens = []
    for number, days in enumerate(AGE_DAYS):
        since = sql.place(moment - timedelta(days=days))
        whens.append(f"WHEN {' OR '.join(f'{column} >= {since}' for column in columns)} THEN {number}")
    never = " AND ".join(f"{column} IS NULL" for column in columns)
    last = len(AGE_DAYS)
    return f"CASE {' '.join(whens)} WHEN {never} THEN {last + 1} ELSE {last} END"


_STARTS = {Interval.YEAR: (4, "-01-01"), Interval.MONTH: (7, "-01"), Interval.DAY: (10, "")}
_STEPS = {
    Interval.YEAR: "1 year",
    Interval.QUARTER: "3 months",
    Interval.MONTH: "1 month",
    Interval.WEEK: "7 days",
    Interval.DAY: "1 day",
}


def bucket(dialect: Dialect, every: Interval, column: str) -> str:
    """What a moment's bucket is told by, which `first_day` reads.

    SQLite keeps times as text in UTC. Its functions round to milliseconds, so they are given the day alone; the number
    of the week costs it less than the week's Monday.
    """
    if dialect.name != "sqlite":
        return f"date_trunc('{every.lower()}', {column} AT TIME ZONE 'UTC')"
    if every is Interval.WEEK:
        return f"CAST(julianday(substr({column}, 1, 10)) + 0.5 AS integer) / 7"
    if every is Interval.QUARTER:
        month = f"substr({column}, 6, 2)"
        start = f"CASE WHEN {month} < '04' THEN '01' WHEN {month} < '07' THEN '04' WHEN {month} < '10' THEN '07'"
        return f"substr({column}, 1, 5) || {start} ELSE '10' END || '-01'"
    length, rest = _STARTS[every]
    return f"substr({column}, 1, {length})" + (f" || '{rest}'" if rest else "")


def following(dialect: Dialect, every: Interval, start: str) -> str:
    """What the bucket after this one is told by."""
    step = _STEPS[every]
    if dialect.name != "sqlite":
        return f"{start} + interval '{step}'"
    return f"{start} + 1" if every is Interval.WEEK else f"date({start}, '+{step}')"


JULIAN = 1_721_425  # the day before the first of January 1, in days of the Julian calendar's count


def first_day(key: Any) -> str:
    """The first day of a bucket, by what it is told by."""
    if isinstance(key, int):
        return date.fromordinal(key * 7 - JULIAN).isoformat()
    return key.date().isoformat() if isinstance(key, datetime) else str(key)
