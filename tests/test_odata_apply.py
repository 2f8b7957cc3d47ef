"""$apply of the feed against the report that GraphQL has, and against counting by hand."""

from collections import Counter
from typing import Any

from tests.odata import body, fill, get, refused, rows
from tests.service import Service

EVERYBODY = (
    "{ users(first: 1000) { nodes { id state isActive lastLoginAt role { id name } identityProvider { name } } } }"
)


async def grouped(service: Service, apply: str, **given: Any) -> list[dict[str, Any]]:
    """The buckets without what marks them as no entities."""
    found = await rows(service, "Users", apply=apply, **given)
    for row in found:
        assert row.pop("@odata.id", "") is None
    return found


async def test_groups_and_counts(service: Service) -> None:
    await fill(service)
    everybody = (await service.data(EVERYBODY))["users"]["nodes"]
    counts = Counter((user["role"]["name"], user["state"]) for user in everybody)
    found = await grouped(service, "groupby((role/name,state), aggregate($count as n))")
    assert {(row["role"]["name"], row["state"]): row["n"] for row in found} == counts
    assert len(found) == len(counts) > 8
    whole = await body(
        service, "Users", apply="groupby((role/name,role/id,state),aggregate($count as n))", count="true"
    )
    assert whole["@odata.context"].endswith("$metadata#Users(role(name,id),state,n)")
    assert whole["@odata.count"] == len(counts)
    assert {(row["role"]["id"], row["role"]["name"]) for row in whole["value"]} == {
        (user["role"]["id"], user["role"]["name"]) for user in everybody
    }
    assert await grouped(service, "aggregate($count as all)") == [{"all": len(everybody)}]


async def test_nothing_is_a_group_too(service: Service) -> None:
    """API-only users have no provider."""
    await fill(service)
    everybody = (await service.data(EVERYBODY))["users"]["nodes"]
    counts = Counter((user["identityProvider"] or {}).get("name") for user in everybody)
    found = await grouped(service, "groupby((identityProvider/name),aggregate($count as n))")
    assert {(row["identityProvider"] or {}).get("name"): row["n"] for row in found} == counts
    assert None in counts


async def test_filters_come_first(service: Service) -> None:
    await fill(service)
    found = await grouped(
        service,
        "filter(role/weight ge 60 and not (contains(name,'/') or name eq '),('))/filter(state ne 'INVITED')"
        "/groupby((isActive),aggregate($count as n, lastLoginAt with max as latest, lastLoginAt with min as first))",
    )
    query = """{ userReport(where: {role: {weight: {gte: 60}}, state: {ne: INVITED}}, groupBy: [{field: IS_ACTIVE}],
      measures: [{measure: COUNT, as: "n"}, {measure: LAST, of: LAST_LOGIN_AT, as: "latest"},
                 {measure: FIRST, of: LAST_LOGIN_AT, as: "first"}]) { rows } }"""
    assert found == (await service.data(query))["userReport"]["rows"]
    assert len(found) == 2


async def test_distinct_values(service: Service) -> None:
    await fill(service)
    everybody = (await service.data(EVERYBODY))["users"]["nodes"]
    (found,) = await grouped(
        service,
        "aggregate(state with countdistinct as states,role/id with countdistinct as roles,id with countdistinct as n)",
    )
    assert found == {
        "states": len({user["state"] for user in everybody}),
        "roles": len({user["role"]["id"] for user in everybody}),
        "n": len(everybody),
    }


async def test_groups_without_measures(service: Service) -> None:
    await fill(service)
    found = await grouped(service, "groupby((state))")
    assert sorted(row["state"] for row in found) == ["ACTIVE", "DEACTIVATED", "INVITED"]
    assert all(list(row) == ["state"] for row in found)


async def test_order_top_and_skip(service: Service) -> None:
    await fill(service)
    apply = "groupby((role/name),aggregate($count as n))"
    whole = await grouped(service, apply, orderby="n desc,role/name")
    assert [row["n"] for row in whole] == sorted((row["n"] for row in whole), reverse=True)
    assert await grouped(service, apply, orderby="n desc,role/name", top=2, skip=1) == whole[1:3]
    by_name = await grouped(service, apply, orderby="role/name desc")
    assert [row["role"]["name"] for row in by_name] == sorted((row["role"]["name"] for row in whole), reverse=True)
    page = await body(service, "Users", apply=apply, top=1, count="true")
    assert (page["@odata.count"], len(page["value"])) == (len(whole), 1)


async def test_what_apply_does_not_do(service: Service) -> None:
    for apply in (
        "groupby((createdAt),aggregate($count as n))",
        "groupby((name),aggregate($count as n))",
        "groupby((groups/name),aggregate($count as n))",
        "groupby((role/weight),aggregate($count as n))",
        "groupby((rollup(role/name,state)),aggregate($count as n))",
        "aggregate(groupCount with sum as n)",
        "aggregate(createdAt with countdistinct as n)",
        "aggregate(state with max as n)",
        "groupby((state),aggregate($count as n))/filter(n gt 1)",
        "groupby((state))/groupby((state))",
        "topcount(2,n)",
        "compute(1 as x)",
        "filter(state eq 'ACTIVE')",
    ):
        status, code, _ = await refused(service, "Users", apply=apply)
        assert (status, code) == (501, "NOT_IMPLEMENTED"), apply
    for apply in (
        "",
        "groupby",
        "groupby(state)",
        "groupby((nothing))",
        "groupby((state),aggregate($count as state))",
        "aggregate($count as n,$count as n)",
        "aggregate()",
        "filter(nothing eq 1)/aggregate($count as n)",
        "/",
        "((((",
    ):
        assert (await refused(service, "Users", apply=apply))[:2] == (400, "BAD_REQUEST"), apply
    assert (await refused(service, "Groups", apply="aggregate($count as n)"))[0] == 501
    for option in ("filter", "select", "expand", "search"):
        assert (await refused(service, "Users", apply="aggregate($count as n)", **{option: "name"}))[0] == 501
    assert (await refused(service, "Users", apply="groupby((state))", orderby="name"))[:2] == (400, "BAD_REQUEST")


async def test_what_is_hidden_is_not_grouped(service: Service) -> None:
    for apply, field in (
        ("groupby((state))", "User.state"),
        ("filter(email eq 'a')/aggregate($count as n)", "User.email"),
        ("aggregate(role/name with countdistinct as n)", "User.role"),
    ):
        answer = await get(service, "Users", who="normal", apply=apply)
        assert answer.status_code == 403
        assert answer.json()["error"]["details"][0]["target"] == field
    assert await grouped(service, "aggregate($count as n)", who="orgadmin") == [{"n": 2}]
    assert await grouped(service, "aggregate($count as n)", who="normal") == [{"n": 9}]
