"""People for reports: dates around the turns of years, ages, spellings, and a tree of organizations."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

from models.values import now
from tests.people import Person, people, store
from tests.service import Service

REPORT = """query ($where: UserWhere, $search: String, $groupBy: [UserDimension!], $measures: [UserMeasure!],
    $having: [ReportCondition!], $orderBy: [ReportOrder!], $first: Int, $asOf: DateTime, $asOfEach: ReportAxis) {
  userReport(where: $where, search: $search, groupBy: $groupBy, measures: $measures, having: $having,
    orderBy: $orderBy, first: $first, asOf: $asOf, asOfEach: $asOfEach) { total hasMore rows } }"""

# Days on which weeks, quarters and years turn, the last microsecond of one and the first of the next.
TURNS = [
    datetime(2020, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    datetime(2021, 1, 1, tzinfo=UTC),
    datetime(2021, 1, 3, 23, 59, 59, tzinfo=UTC),
    datetime(2021, 1, 4, tzinfo=UTC),
    datetime(2024, 2, 29, 12, 30, 0, 1, tzinfo=UTC),
    datetime(2024, 3, 31, 23, 0, tzinfo=UTC),
    datetime(2024, 4, 1, tzinfo=UTC),
    datetime(2024, 12, 30, tzinfo=UTC),
    datetime(2025, 1, 5, 23, 59, tzinfo=UTC),
    datetime(2025, 6, 30, 23, 59, 59, 500000, tzinfo=UTC),
    datetime(2025, 10, 1, tzinfo=UTC),
]
DAYS = (0.1, 6.9, 7.1, 29, 31, 89, 91, 179, 181, 364, 366, 3_000)


def dated(seed: int = 5) -> list[Person]:
    dice, made, moment = random.Random(seed), people(), now()
    for person in made:
        person.row |= {
            "created_at": dice.choice(TURNS),
            "updated_at": dice.choice(TURNS) + timedelta(days=dice.randrange(9), microseconds=dice.randrange(5)),
            "last_login_at": dice.choice([None, *(moment - timedelta(days=days) for days in DAYS)]),
            "last_api_request_at": dice.choice([None, None, *(moment - timedelta(days=days) for days in DAYS)]),
        }
        person.tags = [dice.choice([tag, tag.upper(), tag.lower()]) for tag in person.tags]
    made[0].row |= {"email": "f0@B\u00fccher.example", "email_key": "f0@xn--bcher-kva.example"}
    return made


async def furnish(service: Service) -> list[Person]:
    """No request may change what the next one reads: keys used in the far future are not touched again."""
    await service.app.state.touches.close()
    await service.write("UPDATE api_keys SET last_used_at = $1", datetime(2100, 1, 1, tzinfo=UTC))
    made = dated()
    await service.database.transaction(lambda tx: store(tx, made))
    return made


async def report(service: Service, who: str = "admin", /, **asked: Any) -> dict[str, Any]:
    found: dict[str, Any] = (await service.data(REPORT, asked, who=who))["userReport"]
    return found


async def rows(service: Service, who: str = "admin", /, **asked: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await report(service, who, **asked))["rows"]
    return found
