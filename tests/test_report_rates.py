"""RATE: the part of a bucket's users that match the measure's where, whatever else is grouped, filled or joined."""

from typing import Any

from tests.service import Service

RATE = '{measure: RATE, where: {isActive: {eq: true}}, as: "rate"}'


async def rows(service: Service, arguments: str) -> Any:
    return (await service.data(f"{{ userReport({arguments}) {{ columns {{ name kind isMeasure }} rows }} }}"))[
        "userReport"
    ]


async def deactivate(service: Service) -> None:
    await service.write("UPDATE users SET state = 'DEACTIVATED' WHERE id IN (8, 9)")


async def test_a_rate_is_the_part_of_each_bucket_beside_its_counts(service: Service) -> None:
    await deactivate(service)
    active = '{measure: COUNT, where: {isActive: {eq: true}}, as: "active"}'
    found = await rows(service, f"groupBy: [{{field: ROLE}}], measures: [{{measure: COUNT}}, {active}, {RATE}]")
    assert found["columns"][-1] == {"name": "rate", "kind": "SHARE", "isMeasure": True}
    assert len(found["rows"]) > 3
    for row in found["rows"]:
        assert row["rate"] == row["active"] / row["count"]
    assert {row["rate"] for row in found["rows"]} > {1.0}
    whole = (await rows(service, f"measures: [{RATE}]"))["rows"]
    assert whole == [{"rate": 7 / 9}]


async def test_rates_hold_beside_joins_that_count_users_several_times(service: Service) -> None:
    await deactivate(service)
    plain = (await rows(service, f"groupBy: [{{field: ROLE}}], measures: [{RATE}]"))["rows"]
    joined = await rows(service, f"groupBy: [{{field: ROLE}}], measures: [{RATE}, {{measure: DISTINCT, of: GROUP}}]")
    assert [{name: row[name] for name in ("role", "roleId", "rate")} for row in joined["rows"]] == plain


async def test_empty_buckets_have_no_rate_and_rates_filter_and_order(service: Service) -> None:
    await service.write("UPDATE users SET created_at = '2024-01-01 00:00:00+00:00'")
    await service.write("UPDATE users SET created_at = '2024-03-01 00:00:00+00:00', state = 'INVITED' WHERE id = 9")
    filled = "groupBy: [{field: CREATED_AT, fill: true}]"
    found = (await rows(service, f"{filled}, measures: [{RATE}]"))["rows"]
    assert found == [
        {"createdAt": "2024-01-01", "rate": 1.0},
        {"createdAt": "2024-02-01", "rate": None},
        {"createdAt": "2024-03-01", "rate": 0.0},
    ]
    low = 'having: [{column: "rate", lt: 0.5}], orderBy: [{column: "rate", direction: DESC}]'
    assert (await rows(service, f"{filled}, measures: [{RATE}], {low}"))["rows"] == [found[2]]


async def test_a_rate_without_a_condition_is_refused_by_its_argument(service: Service) -> None:
    for measure in ("{measure: RATE}", "{measure: RATE, where: {}}"):
        body = await service.ask(f"{{ userReport(measures: [{measure}]) {{ rows }} }}")
        (error,) = body["errors"]
        assert (error["extensions"]["code"], error["extensions"]["argument"]) == ("INVALID", ["measures", 0, "where"])
        assert error["message"] == "RATE needs where: it is the part of the bucket's users that match it."
