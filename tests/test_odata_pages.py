"""Pages of the feed: every row once, however large a page the client prefers and whatever hangs on a row."""

from typing import Any

from tests.odata import body, fill, get, refused, walked
from tests.service import Service


async def test_a_walk_finds_every_row_once(service: Service) -> None:
    await fill(service)
    query = "{ users(first: 1000) { nodes { id } } }"
    everybody = [row["id"] for row in (await service.data(query))["users"]["nodes"]]
    for prefer in (1, 7, 69, 70, 500):
        found, pages = await walked(service, "Users", prefer=prefer, select="id")
        assert [row["id"] for row in found] == everybody
        assert pages == -(-len(everybody) // prefer)
    for order in ("name", "lastLoginAt desc,name", "state,lastName desc"):
        found, _ = await walked(service, "Users", prefer=8, select="id", orderby=order)
        whole, pages = await walked(service, "Users", select="id", orderby=order)
        assert [row["id"] for row in found] == [row["id"] for row in whole]
        assert sorted(row["id"] for row in found) == sorted(everybody)
        assert pages == 1


async def test_the_preference_is_told(service: Service) -> None:
    answer = await get(service, "Users", headers={"prefer": "odata.maxpagesize=2"})
    assert answer.headers["preference-applied"] == "odata.maxpagesize=2"
    assert len(answer.json()["value"]) == 2
    for prefer in ("odata.maxpagesize=0", "odata.maxpagesize=x", "return=minimal", ""):
        answer = await get(service, "Users", headers={"prefer": prefer})
        assert "preference-applied" not in answer.headers
        assert len(answer.json()["value"]) == 9


async def test_filters_counts_and_selections_go_with_the_links(service: Service) -> None:
    await fill(service)
    text = "contains(name,'a') and not (state eq 'INVITED')"
    asked: dict[str, Any] = {"filter": text, "select": "id,name", "orderby": "name desc", "count": "true"}
    whole = await body(service, "Users", **asked)
    assert whole["@odata.count"] == len(whole["value"]) > 5
    page = await body(service, "Users", headers={"prefer": "odata.maxpagesize=4"}, **asked)
    found = page["value"]
    while "@odata.nextLink" in page:
        page = await body(service, page["@odata.nextLink"], headers={"prefer": "odata.maxpagesize=4"})
        assert page["@odata.count"] == whole["@odata.count"]
        found += page["value"]
    assert found == whole["value"]


async def test_top_and_skip_hold_over_all_pages(service: Service) -> None:
    await fill(service)
    everybody = [row["id"] for row in (await walked(service, "Users", select="id"))[0]]
    for top, skip in ((10, 0), (11, 5), (12, 60), (100, 3)):
        found, pages = await walked(service, "Users", prefer=4, select="id", top=top, skip=skip)
        assert [row["id"] for row in found] == everybody[skip : skip + top]
        assert pages == -(-len(found) // 4)


async def test_pages_are_as_large_as_graphql_gives(service_with: Any) -> None:
    async with service_with(max_page=10) as service:
        await fill(service)
        found, pages = await walked(service, "Users", select="id")
        assert (len(found), pages) == (69, 7)
        found, pages = await walked(service, "Users", prefer=100, select="id", top=25)
        assert (len(found), pages) == (25, 3)


async def test_a_page_costs_no_more_than_an_operation_may(service_with: Any) -> None:
    async with service_with(max_cost=1_000) as service:
        await fill(service)
        found, pages = await walked(service, "Users", select="id", expand="groups($select=id)")
        assert len(found) == 69
        assert pages == 8, "nine users with up to 100 groups each are a thousand rows"
        status, code, _ = await refused(service, "Groups", expand="users($top=1000)")
        assert (status, code) == (400, "TOO_COSTLY")


async def test_lists_inside_rows_go_on_behind_links_of_their_own(service_with: Any) -> None:
    async with service_with(max_page=15) as service:
        await fill(service)
        expand = "users($select=id;$filter=state ne 'INVITED';$orderby=name desc)"
        page = await body(service, "Groups", select="id", expand=expand)
        for row in page["value"]:
            asked = {"select": "id", "filter": "state ne 'INVITED'", "orderby": "name desc"}
            whole, _ = await walked(service, f"Groups('{row['id']}')/users", **asked)
            found, link = list(row["users"]), row["users@odata.nextLink"]
            assert len(found) == 15
            more, _ = await walked(service, link)
            assert found + more == whole
        limited = await body(service, "Groups", select="id", expand="users($select=id;$top=20)")
        for row in limited["value"]:
            more, pages = await walked(service, row["users@odata.nextLink"])
            assert (len(row["users"]), len(more), pages) == (15, 5, 1)
        few = await body(service, "Groups", select="id", expand="users($select=id;$top=3)")
        assert all(len(row["users"]) == 3 and "users@odata.nextLink" not in row for row in few["value"])


async def test_links_lead_back_to_where_the_feed_is(service_with: Any) -> None:
    """Whatever stands before the service, where its address is set; else to the host that was asked."""
    async with service_with(public_url="https://people.example.org/graph/") as service:
        page = await body(service, "Users", headers={"prefer": "odata.maxpagesize=2"})
        assert page["@odata.context"] == "https://people.example.org/graph/odata/$metadata#Users"
        assert page["@odata.nextLink"].startswith("https://people.example.org/graph/odata/Users?$skiptoken=")


async def test_tokens_are_checked(service: Service) -> None:
    page = await body(service, "Users", headers={"prefer": "odata.maxpagesize=2"}, orderby="name")
    token = page["@odata.nextLink"].partition("$skiptoken=")[2]
    for wrong in ("x", token[:-4], token + "A", "%00", "ä", "' or 1=1"):
        status, code, _ = await refused(service, "Users", orderby="name", skiptoken=wrong)
        assert (status, code) == (400, "INVALID"), wrong
    assert (await refused(service, "Users", skiptoken=token))[:2] == (400, "INVALID"), "it belongs to another order"
    assert (await refused(service, "Groups", orderby="name", skiptoken=token))[:2] == (400, "INVALID")
