"""The answer to any report, worked out in plain Python over the rows that `users` gives the same viewer."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from models.values import camel, email_key, key
from tests.service import Service

ROWS = """query ($where: UserWhere, $search: String, $asOf: DateTime, $past: Boolean = false) {
  users(first: 500, where: $where, search: $search, asOf: $asOf) { pageInfo { hasNextPage endCursor } nodes {
    id: stableId email state accessibility isActive isLdap isSaml isApiOnly is2faEnabled hasValidPassword tags
    lastLoginAt @skip(if: $past) lastApiRequestAt @skip(if: $past) createdAt updatedAt variables { name value }
    role { id: stableId name } identityProvider { id: stableId name } groups(first: 50) { nodes { id: stableId name } }
    organizations(first: 50) { nodes { id: stableId name } } } } }"""
IDS = """query ($where: UserWhere, $asOf: DateTime) {
  users(first: 500, where: $where, asOf: $asOf) { nodes { id: stableId } } }"""
TREE = "{ organizations(first: 500) { nodes { id name parent { id } } } }"
LABELS = {7: "up to 7 days", 30: "7 to 30 days", 90: "30 to 90 days", 180: "90 to 180 days", 365: "180 to 365 days"}
AGES = [*LABELS.values(), "over 365 days", "never"]
DATES = ("CREATED_AT", "UPDATED_AT", "LAST_LOGIN_AT", "LAST_API_REQUEST_AT")
NAMED = ("ROLE", "IDENTITY_PROVIDER", "ORGANIZATION", "GROUP")
Row = dict[str, Any]
Key = tuple[Any, ...]  # of a dimension: what is compared first, then what is shown


def at(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def start(moment: datetime, every: str) -> date:
    day = moment.astimezone(UTC).date()
    return {
        "YEAR": day.replace(month=1, day=1),
        "QUARTER": day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1),
        "MONTH": day.replace(day=1),
        "WEEK": day - timedelta(days=day.weekday()),
        "DAY": day,
    }[every]


def after(day: date, every: str) -> date:
    if every in ("DAY", "WEEK"):
        return day + timedelta(days=7 if every == "WEEK" else 1)
    months = day.year * 12 + day.month - 1 + {"MONTH": 1, "QUARTER": 3, "YEAR": 12}[every]
    return date(months // 12, months % 12 + 1, 1)


def age(moments: Sequence[datetime | None]) -> str:
    known = [moment for moment in moments if moment is not None]
    if not known:
        return "never"
    gone = datetime.now(UTC) - max(known)
    return next((label for days, label in LABELS.items() if gone <= timedelta(days=days)), "over 365 days")


@dataclass
class Oracle:
    """What one viewer sees of the directory. `parents` and `names` are of organizations."""

    users: dict[str, Row]
    parents: dict[str, str | None]
    names: dict[str, str]
    spellings: dict[str, str] = field(default_factory=dict)

    @classmethod
    async def of(cls, service: Service, who: str) -> "Oracle":
        tree = (await service.data(TREE))["organizations"]["nodes"]
        parents = {each["id"]: each["parent"] and each["parent"]["id"] for each in tree}
        rows = (await service.data(ROWS, who=who))["users"]
        assert not rows["pageInfo"]["hasNextPage"]
        names = {each["id"]: each["name"] for each in tree}
        return cls({each["id"]: each for each in rows["nodes"]}, parents, names)

    def level(self, organization: str, level: int) -> tuple[str, str]:
        path = [organization]
        while (above := self.parents[path[0]]) is not None:
            path.insert(0, above)
        found = path[min(level, len(path) - 1)]
        return found, self.names[found]

    def values(self, row: Row, of: str, asked: Mapping[str, Any]) -> list[Any]:
        """The values of one dimension of a user: comparable, and each once."""
        if of in ("ROLE", "IDENTITY_PROVIDER"):
            found = row[camel(of.lower())]
            return [found and (found["id"], found["name"])]
        if of in ("GROUP", "ORGANIZATION"):
            listed = [(each["id"], each["name"]) for each in row[f"{of.lower()}s"]["nodes"]]
            if asked.get("level") is not None:
                listed = list(dict.fromkeys(self.level(each, asked["level"]) for each, _ in listed))
            return listed or [None]
        if of == "TAG":
            return [key(each) for each in row["tags"]] or [None]
        if of == "VARIABLE":
            return [next((v["value"] for v in row["variables"] if key(v["name"]) == key(asked["name"])), None)]
        if of == "EMAIL_DOMAIN":
            return [email_key(row["email"]).rpartition("@")[2]]
        if of == "LAST_LOGIN_AGE":
            return [age([at(row["lastLoginAt"])])]
        if of == "LAST_USE_AGE":
            return [age([at(row["lastLoginAt"]), at(row["lastApiRequestAt"])])]
        found = row[camel(of.lower())]
        if of in DATES and found is not None:
            moment = at(found)
            assert moment is not None
            return [start(moment, asked.get("every") or "MONTH")]
        return [found]

    def keys(self, row: Row, dimensions: Sequence[Row]) -> set[Key]:
        """The buckets of a user. Organizations at several levels are those of one membership."""
        trees = [place for place, each in enumerate(dimensions) if each["field"] == "ORGANIZATION"]
        choices = [self.values(row, each["field"], each) for each in dimensions]
        if len(trees) > 1:
            members = [each["id"] for each in row["organizations"]["nodes"]] or [None]
            one = [[self._tree(each, dimensions[place]) for place in trees] for each in members]
            rest = [[None] if place in trees else values for place, values in enumerate(choices)]
            found = set()
            for combined, paths in itertools.product(itertools.product(*rest), one):
                values = list(combined)
                for place, value in zip(trees, paths, strict=True):
                    values[place] = value
                found.add(tuple(values))
            return found
        return set(itertools.product(*choices))

    def _tree(self, organization: str | None, dimension: Row) -> Any:
        if organization is None:
            return None
        level = dimension.get("level")
        return (organization, self.names[organization]) if level is None else self.level(organization, level)


def order_of(of: str, value: Any) -> Any:
    """What a value of a dimension is ordered by: nulls first, names and texts by their bytes, then ids by number."""
    if value is None:
        return (0,)
    if of in NAMED:
        return (1, value[1].encode(), int(value[0].rpartition("_")[2]))
    if of in ("LAST_LOGIN_AGE", "LAST_USE_AGE"):
        return (1, AGES.index(value))
    return (1, value.encode() if isinstance(value, str) else value)


async def answer(service: Service, oracle: Oracle, asked: Row, who: str) -> Row:
    """What `userReport` should answer: rows, total, hasMore."""
    given = {name: asked.get(name) for name in ("where", "search", "asOf")}
    found = (await service.data(ROWS, {**given, "past": given["asOf"] is not None}, who=who))["users"]
    rows = found["nodes"]
    dimensions, measures = asked.get("groupBy") or [], asked.get("measures", [{"measure": "COUNT"}])
    members: dict[Key, list[Row]] = {} if dimensions else {(): []}
    for row in rows:
        for bucket in oracle.keys(row, dimensions):
            members.setdefault(bucket, []).append(row)
    _fill(members, dimensions)
    only = [await _only(service, each, asked, who) for each in measures]
    spelled = _spellings(members, dimensions)
    made = []
    for bucket, inside in members.items():
        shown = _shown(bucket, dimensions, spelled)
        for each, ids in zip(measures, only, strict=True):
            among = [row for row in inside if ids is None or row["id"] in ids]
            shown[name_of(each)] = _measured(oracle, each, among, len(rows))
        made.append((tuple(order_of(d["field"], v) for d, v in zip(dimensions, bucket, strict=True)), shown))
    made = [each for each in made if all(_holds(each[1], condition) for condition in asked.get("having") or [])]
    made.sort(key=lambda each: each[0])
    if spelled:
        made.sort(key=lambda each: tuple(_by(each, place, d) for place, d in enumerate(dimensions)))
    for step in reversed(asked.get("orderBy") or []):
        made.sort(key=_ordering(step["column"], dimensions), reverse=step.get("direction") == "DESC")
    first = asked.get("first", 1_000)
    return {
        "total": len(rows),
        "hasMore": len(made) > first,
        "rows": [shown for _, shown in made[:first]],
    }


def _by(made: Any, place: int, dimension: Row) -> Any:
    """A tag is ordered by how it is written, then by what it is."""
    if dimension["field"] != "TAG" or made[0][place] == (0,):
        return made[0][place]
    return (1, made[1][column_of(dimension)].encode(), made[0][place][1])


def _ordering(column: str, dimensions: Sequence[Row]) -> Callable[[Any], Any]:
    for place, each in enumerate(dimensions):
        if each["field"] in NAMED and column in (column_of(each), f"{column_of(each)}Id"):
            part = slice(0, 2) if column == column_of(each) else slice(2, 3)
            return lambda made: (made[0][place][0], *made[0][place][part])
        if column == column_of(each) and each["field"] != "TAG":
            return lambda made: made[0][place]
    return lambda made: (0,) if made[1][column] is None else (1, _bytes(made[1][column]))


def _bytes(value: Any) -> Any:
    moment = value if isinstance(value, str) and value.endswith("Z") and value[4:5] == "-" else None
    return at(moment) if moment else value.encode() if isinstance(value, str) else value


def column_of(dimension: Row) -> str:
    return str(dimension.get("as") or camel(dimension["field"].lower()))


def name_of(measure: Row) -> str:
    of = f"_{measure['of']}" if measure.get("of") else ""
    return str(measure.get("as") or camel(f"{measure['measure']}{of}".lower()))


def _spellings(members: Mapping[Key, Sequence[Row]], dimensions: Sequence[Row]) -> dict[str, str]:
    """Of each tag the first spelling, by bytes, that somebody in the report has."""
    if not any(each["field"] == "TAG" for each in dimensions):
        return {}
    written = {tag for inside in members.values() for row in inside for tag in row["tags"]}
    return {key(tag): tag for tag in sorted(written, key=str.encode, reverse=True)}


def _shown(bucket: Key, dimensions: Sequence[Row], spelled: Mapping[str, str]) -> Row:
    shown: Row = {}
    for each, value in zip(dimensions, bucket, strict=True):
        name = column_of(each)
        if each["field"] in NAMED:
            shown[name], shown[f"{name}Id"] = (None, None) if value is None else (value[1], value[0])
        elif each["field"] == "TAG":
            shown[name] = None if value is None else spelled[value]
        else:
            shown[name] = value.isoformat() if isinstance(value, date) else value
    return shown


def _fill(members: dict[Key, list[Row]], dimensions: Sequence[Row]) -> None:
    filled = [place for place, each in enumerate(dimensions) if each.get("fill")]
    axes = []
    for place in filled:
        days = sorted({bucket[place] for bucket in members if bucket[place] is not None})
        axis = days[:1]
        while axis and axis[-1] < days[-1]:
            axis.append(after(axis[-1], dimensions[place].get("every") or "MONTH"))
        axes.append(axis)
    others = {tuple(v for place, v in enumerate(bucket) if place not in filled) for bucket in members}
    for rest, crossed in itertools.product(others, itertools.product(*axes)) if filled else ():
        left, days = iter(rest), iter(crossed)
        bucket = tuple(next(days) if place in filled else next(left) for place in range(len(dimensions)))
        members.setdefault(bucket, [])


async def _only(service: Service, measure: Row, asked: Row, who: str) -> set[str] | None:
    if not measure.get("where"):
        return None
    found = await service.data(IDS, {"where": measure["where"], "asOf": asked.get("asOf")}, who=who)
    return {each["id"] for each in found["users"]["nodes"]}


def _measured(oracle: Oracle, measure: Row, among: Sequence[Row], total: int) -> Any:
    kind, of = measure["measure"], measure.get("of")
    if kind == "COUNT":
        return len(among)
    if kind == "SHARE":
        return len(among) / total if total else None
    assert of is not None
    if kind == "DISTINCT":
        found = [row[camel(of.lower())] for row in among] if of in DATES else [
            value for row in among for value in oracle.values(row, of, {})
        ]  # fmt: skip
        return len({value for value in found if value is not None})
    moments = [row[camel(of.lower())] for row in among if row[camel(of.lower())] is not None]
    chosen: Callable[..., Any] = min if kind == "FIRST" else max
    return chosen(moments, key=at) if moments else None


def _holds(shown: Row, condition: Row) -> bool:
    value = shown[condition["column"]]
    tests: dict[str, Callable[[Any, Any], bool]] = {
        "eq": lambda mine, wanted: mine == wanted,
        "ne": lambda mine, wanted: mine != wanted,
        "gt": lambda mine, wanted: mine > wanted,
        "gte": lambda mine, wanted: mine >= wanted,
        "lt": lambda mine, wanted: mine < wanted,
        "lte": lambda mine, wanted: mine <= wanted,
    }
    wanted = [(name, number) for name, number in condition.items() if name in tests]
    return value is not None and all(tests[name](value, number) for name, number in wanted)
