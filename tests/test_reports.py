"""Reports against the same questions asked in plain Python of the rows that `users` gives."""

import random
from typing import Any

from tests.reporting import TURNS, furnish, report
from tests.reports_oracle import DATES, NAMED, Oracle, answer
from tests.service import Service, beyond_who_asks

ONE = (
    "ROLE STATE ACCESSIBILITY IDENTITY_PROVIDER EMAIL_DOMAIN LAST_LOGIN_AGE LAST_USE_AGE IS_ACTIVE IS_2FA_ENABLED"
    " HAS_VALID_PASSWORD IS_API_ONLY IS_LDAP IS_SAML"
).split()
SEVERAL = ["ORGANIZATION", "GROUP", "TAG"]
INTERVALS = ["YEAR", "QUARTER", "MONTH", "WEEK", "DAY"]
WHERES: list[dict[str, Any]] = [
    {},
    {"isActive": {"eq": True}},
    {"state": {"in": ["ACTIVE", "INVITED"]}, "username": {"startsWith": "F"}},
    {"role": {"weight": {"gte": 60}}},
    {"organizations": {"some": {"id": {"within": "organization_2"}}}},
    {"not": {"lastLoginAt": {"after": TURNS[4].isoformat()}}},
    {"or": [{"tags": {"some": {"eq": "vip"}}}, {"groups": {"none": {"name": {"startsWith": "web"}}}}]},
    {"apiKeys": {"some": {"isValid": {"eq": True}}}},
    {"username": {"eq": "nobody at all"}},
]
EVERY_DIMENSION: list[dict[str, Any]] = [
    *({"field": each} for each in (*ONE, *SEVERAL)),
    *({"field": "ORGANIZATION", "level": level} for level in (0, 1, 2, 3)),
    *({"field": "VARIABLE", "name": name} for name in ("tier", " COST  Centre", "none")),
    *({"field": each, "every": every} for each in DATES for every in INTERVALS),
    *({"field": each} for each in DATES),
]
EVERY_MEASURE: list[dict[str, Any]] = [
    {"measure": "COUNT"},
    {"measure": "SHARE"},
    {"measure": "COUNT", "where": {"is2faEnabled": {"eq": False}, "isActive": {"eq": True}}, "as": "open"},
    {"measure": "SHARE", "where": {"groups": {"none": {}}}, "as": "alone"},
    *({"measure": kind, "of": of} for kind in ("FIRST", "LAST") for of in DATES),
    {"measure": "LAST", "of": "CREATED_AT", "where": {"state": {"eq": "INVITED"}}, "as": "invited"},
    {"measure": "DISTINCT", "of": "GROUP", "where": {"isActive": {"eq": True}}, "as": "activeGroups"},
]


async def check(service: Service, oracle: Oracle, asked: dict[str, Any], who: str = "admin") -> int:
    with service.statements() as statements:
        found = await report(service, who, **asked)
    assert len(beyond_who_asks(statements)) == 1, (asked, statements)
    assert found == await answer(service, oracle, asked, who), asked
    return len(found["rows"])


async def test_every_dimension_with_measures_of_all_kinds_answers_as_plain_python_does(service: Service) -> None:
    await furnish(service)
    oracle = await Oracle.of(service, "admin")
    for dimension in EVERY_DIMENSION:
        buckets = await check(service, oracle, {"groupBy": [dimension], "measures": EVERY_MEASURE})
        assert buckets > 1 or dimension.get("name") == "none" or dimension.get("level") == 0, dimension
    await check(service, oracle, {"groupBy": EVERY_DIMENSION[:8], "measures": []})


async def test_the_different_values_of_everything_are_counted(service: Service) -> None:
    await furnish(service)
    oracle = await Oracle.of(service, "admin")
    distinct = [{"measure": "DISTINCT", "of": of} for of in (*ONE, *SEVERAL, *DATES)]
    for dimensions in ([], [{"field": "ROLE"}], [{"field": "TAG"}, {"field": "STATE"}]):
        await check(service, oracle, {"groupBy": dimensions, "measures": distinct})


async def test_axes_are_filled_from_their_first_to_their_last_bucket(service: Service) -> None:
    await furnish(service)
    oracle = await Oracle.of(service, "admin")
    measures = [EVERY_MEASURE[0], EVERY_MEASURE[1], *EVERY_MEASURE[-3:]]
    for every in INTERVALS:
        for of in DATES:
            dimension = {"field": of, "every": every, "fill": True}
            asked = {"groupBy": [dimension], "measures": measures, "first": 10_000}
            assert await check(service, oracle, asked) > 2, asked
    month = {"field": "CREATED_AT", "fill": True}
    for more in (["ROLE"], ["TAG", "IS_ACTIVE"], ["GROUP"]):
        dimensions = [{"field": more[0]}, month, *({"field": each} for each in more[1:])]
        for where in (WHERES[1], WHERES[-1]):
            await check(service, oracle, {"groupBy": dimensions, "measures": measures, "where": where})
    two = [month, {"field": "LAST_LOGIN_AT", "every": "YEAR", "fill": True}]
    assert await check(service, oracle, {"groupBy": two, "first": 10_000}) > 100
    having = [{"column": "count", "eq": 0}]
    assert await check(service, oracle, {"groupBy": [month], "having": having, "first": 5}) == 5


def questions(count: int, seed: int) -> list[dict[str, Any]]:
    """Reports made by dice; the same ones every time."""
    dice, made = random.Random(seed), []
    for _ in range(count):
        dimensions = [dict(each) for each in dice.sample(EVERY_DIMENSION, dice.choice((0, 1, 2, 2, 3)))]
        measures = [dict(each) for each in dice.sample(EVERY_MEASURE, dice.randint(1, 4))]
        for number, each in enumerate([*dimensions, *measures]):
            each["as"] = f"c{number}"
        for each in dimensions:
            if each["field"] in DATES and dice.random() < 0.3 and each.get("every") not in ("DAY", "WEEK"):
                each["fill"] = True
        numbers = [each["as"] for each in measures if each["measure"] in ("COUNT", "SHARE", "DISTINCT")]
        columns = [*(each["as"] for each in [*dimensions, *measures])]
        columns += [f"{each['as']}Id" for each in dimensions if each["field"] in NAMED]
        asked: dict[str, Any] = {"groupBy": dimensions, "measures": measures, "where": dice.choice(WHERES)}
        if numbers and dice.random() < 0.4:
            sign = dice.choice(("gt", "gte", "lt", "lte", "ne", "eq"))
            asked["having"] = [{"column": dice.choice(numbers), sign: dice.choice((0, 1, 2, 0.1, 0.05))}]
        if dice.random() < 0.7:
            chosen = dice.sample(columns, min(len(columns), dice.randint(1, 3)))
            asked["orderBy"] = [{"column": each, "direction": dice.choice(("ASC", "DESC"))} for each in chosen]
        if dice.random() < 0.3:
            asked["first"] = dice.choice((0, 1, 3, 7))
        if dice.random() < 0.2:
            asked["search"] = dice.choice(("f1", "100%", "one.example", "zola"))
        made.append(asked)
    return made


async def test_whatever_is_asked_answers_as_plain_python_does(service: Service) -> None:
    await furnish(service)
    oracle = await Oracle.of(service, "admin")
    sizes = [await check(service, oracle, asked) for asked in questions(150, 7)]
    assert len(set(sizes)) > 15


async def test_an_organization_administrator_reports_on_the_users_they_see(service: Service) -> None:
    await furnish(service)
    oracle = await Oracle.of(service, "orgadmin")
    everybody = await Oracle.of(service, "admin")
    assert 2 < len(oracle.users) < len(everybody.users)
    for asked in [*questions(40, 3), {"measures": [{"measure": "COUNT"}]}]:
        await check(service, oracle, asked, "orgadmin")


async def test_columns_are_ordered_by_under_names_that_others_might_have(service: Service) -> None:
    """`stateId` could be the id of a dimension that has none, and `asOf` the column of moments."""
    await furnish(service)
    oracle = await Oracle.of(service, "admin")
    dimensions = [{"field": "EMAIL_DOMAIN", "as": "stateId"}, {"field": "STATE"}]
    for direction in ("ASC", "DESC"):
        order = [{"column": "stateId", "direction": direction}]
        assert await check(service, oracle, {"groupBy": dimensions, "orderBy": order}) > 2
        named = {"groupBy": [{"field": "ROLE"}], "measures": [{"measure": "COUNT", "as": "asOf"}]}
        await check(service, oracle, {**named, "orderBy": [{"column": "asOf", "direction": direction}]})
