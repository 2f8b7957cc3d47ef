"""Results as tables, in a real browser: what is shown, sorted, copied and saved."""

import csv
import io
import json

from playwright.async_api import Download, Locator, Page, Route, expect

from tests.visits import Visit

ROLES = "query Roles { roles { name weight userCount } }"
PAGE_OF_USERS = "query Few { users(first: 3) { totalCount nodes { id name role { name } tags lastLoginAt } } }"


async def cells(panel: Locator) -> list[list[str]]:
    await expect(panel.get_by_role("row").first).to_be_visible()
    rows = await panel.get_by_role("row").all()
    return [await row.get_by_role("columnheader").or_(row.get_by_role("cell")).all_inner_texts() for row in rows]


async def saved(page: Page, panel: Locator) -> tuple[Download, str]:
    async with page.expect_download() as waiting:
        await panel.get_by_role("button", name="Download CSV").click()
    download = await waiting.value
    return download, (await download.path()).read_bytes().decode()


async def test_rows_are_a_table_that_sorts_by_its_headers(visit: Visit) -> None:
    panel = await visit.see(ROLES, "Table")
    header, *rows = await cells(panel)
    assert [name.rstrip("▲▼\n") for name in header] == ["name", "weight", "userCount"]
    assert {row[0]: row[1] for row in rows}["Admin"] == "100"
    await expect(panel).to_contain_text(f"{len(rows)} rows")

    weight = panel.get_by_role("columnheader", name="weight")
    await expect(weight).to_have_attribute("aria-sort", "none")
    await weight.get_by_role("button").click()
    await expect(weight).to_have_attribute("aria-sort", "ascending")
    assert [int(row[1]) for row in (await cells(panel))[1:]] == sorted(int(row[1]) for row in rows)
    await weight.get_by_role("button").click()
    await expect(weight).to_have_attribute("aria-sort", "descending")
    assert (await cells(panel))[1][0] == "Admin"
    await weight.get_by_role("button").click()
    assert (await cells(panel))[1:] == rows
    assert visit.elsewhere() == []
    assert visit.errors == []


async def test_sorted_rows_are_copied_for_a_spreadsheet(visit: Visit) -> None:
    await visit.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    panel = await visit.see(ROLES, "Table")
    await panel.get_by_role("columnheader", name="weight").get_by_role("button").click()
    rows = (await cells(panel))[1:]
    await panel.get_by_role("button", name="Copy").click()
    await expect(panel).to_contain_text(f"Copied {len(rows)} rows with their header")
    copied = await visit.page.evaluate("navigator.clipboard.readText()")
    assert [line.split("\t") for line in copied.split("\n")] == [["name", "weight", "userCount"], *rows]
    assert visit.errors == []


async def test_a_mutation_is_saved_as_shown_and_never_runs_again(visit: Visit) -> None:
    row = {"ref": "=HYPERLINK(1)", "user": {"tags": ["a", "b|c"]}, "n": -1, "none": None}
    await visit.answer({"upsertUsers": {"results": [row], "errors": []}})
    query = "mutation Upsert { upsertUsers(input: {}) { results { ref user { tags } n none } errors { code } } }"
    panel = await visit.see(query, "Table")
    assert (await cells(panel))[1] == ["=HYPERLINK(1)", "a|b\\|c", "-1", "–"]
    await expect(panel).to_contain_text("only a query with one list at its root is asked again")
    before = visit.requested.count(visit.url)
    download, text = await saved(visit.page, panel)
    assert download.suggested_filename == "upsertUsers-results.csv"
    assert text == "ref,user.tags,n,none\r\n'=HYPERLINK(1),a|b\\|c,-1,\r\n"
    assert visit.requested.count(visit.url) == before
    assert visit.errors == []


async def test_a_query_is_saved_by_asking_the_server_for_csv(visit: Visit) -> None:
    asked = []

    async def handle(route: Route) -> None:
        request = route.request
        asked.append((request.headers["accept"], request.headers["x-apikey"], json.loads(request.post_data or "")))
        await route.fulfill(body="id,name\r\nuser_1,x\r\n", headers={"Content-Type": "text/csv; charset=utf-8"})

    await visit.page.route("**/graphql?format=csv", handle)
    panel = await visit.see(PAGE_OF_USERS, "Table")
    await expect(panel).to_contain_text("3 of ")
    download, text = await saved(visit.page, panel)
    assert (download.suggested_filename, text) == ("Few.csv", "id,name\r\nuser_1,x\r\n")
    await expect(panel).to_contain_text("asked of the server anew")
    # The query that was answered counts, not what is in the editor by now.
    await visit.write("query Other { me { id } }")
    await saved(visit.page, panel)
    assert [(accept, key) for accept, key, _ in asked] == [("text/csv", visit.key)] * 2
    assert [body["query"] for _, _, body in asked] == [PAGE_OF_USERS] * 2
    assert visit.key not in "".join(visit.requested)


async def test_where_the_server_exports_nothing_the_page_saves_its_rows_and_says_so(visit: Visit) -> None:
    refusal = {"errors": [{"message": "These rows cannot be a table."}]}
    await visit.page.route("**/graphql?format=csv", lambda route: route.fulfill(status=400, json=refusal))
    panel = await visit.see(PAGE_OF_USERS, "Table")
    _, text = await saved(visit.page, panel)
    rows = list(csv.reader(io.StringIO(text)))
    assert rows[0] == ["id", "name", "role.name", "tags", "lastLoginAt"]
    assert len(rows) == 4
    await expect(panel).to_contain_text("Saved the 3 rows of this page")
    await expect(panel).to_contain_text("These rows cannot be a table.")


async def test_a_thousand_rows_stay_quick_and_every_row_can_be_reached(visit: Visit) -> None:
    names = [f"c{index}" for index in range(20)]
    nodes = [{name: f"{name} of row {row}" for name in names} for row in range(1000)]
    await visit.answer({"users": {"totalCount": 5000, "nodes": nodes}})
    panel = await visit.see(f"query Many {{ users {{ totalCount nodes {{ {' '.join(names)} }} }} }}", "Table")
    await expect(panel).to_contain_text("1,000 of 5,000 rows")
    table = panel.get_by_role("table")
    await expect(table).to_have_attribute("aria-rowcount", "1001")
    assert await panel.get_by_role("row").count() < 250
    await panel.get_by_role("region", name="Rows").evaluate("grid => grid.scrollTo(0, grid.scrollHeight)")
    await expect(panel.get_by_role("cell", name="c0 of row 999")).to_be_in_viewport()
    took = await visit.page.evaluate(
        """async () => {
          const button = document.querySelector(".grid th:nth-child(2) button");
          const started = performance.now();
          button.click();
          await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
          return performance.now() - started;
        }"""
    )
    await panel.get_by_role("region", name="Rows").evaluate("grid => grid.scrollTo(0, 0)")
    await expect(panel.get_by_role("cell", name="c1 of row 0")).to_be_visible()
    assert took < 1000
    assert visit.errors == []


async def test_several_lists_are_chosen_from(visit: Visit) -> None:
    await visit.answer({"roles": [{"name": "IT"}], "providers": [{"prefix": "local"}, {"prefix": "saml"}]})
    panel = await visit.see("query Two { roles { name } providers: identityProviders { prefix } }", "Table")
    assert (await cells(panel))[1:] == [["IT"]]
    await panel.get_by_label("Rows of").select_option("providers")
    await expect(panel.get_by_role("columnheader")).to_have_text(["prefix"])
    assert (await cells(panel))[1:] == [["local"], ["saml"]]
    # The server would export the first list.
    download, text = await saved(visit.page, panel)
    assert (download.suggested_filename, text) == ("providers.csv", "prefix\r\nlocal\r\nsaml\r\n")
