"""The CSV that the page makes of its rows is the server's, to the byte, in a real browser."""

import pytest
from playwright.async_api import Locator, expect

from tests.visits import Visit

QUERIES = {
    "lists": """query Lists { users(first: 40) { nodes { id name role { name weight } tags lastLoginAt isActive
        groups { totalCount nodes { name } } variables { name value }
        organizations { edges { node { id name } } } } } }""",
    "json": "query Json { auditEvents(first: 30) { nodes { createdAt action actor { username } changes } } }",
    "report": """query Report($every: ReportInterval = YEAR) {
        userReport(groupBy: [{ field: CREATED_AT, every: $every }, { field: ROLE }]
        measures: [{ measure: COUNT }, { measure: SHARE }, { measure: LAST, of: LAST_LOGIN_AT }])
        { columns { name title kind } rows } }""",
    "roots": "query Roots { roles { id name permissions userCount } }",
    "gone": 'query Gone { usersByKeys(keys: [{ id: "user_3" }, { id: "user_99999" }]) { id name role { name } } }',
}


async def saved(visit: Visit, panel: Locator) -> bytes:
    async with visit.page.expect_download() as waiting:
        await panel.get_by_role("button", name="Download CSV").click()
    download = await waiting.value
    return (await download.path()).read_bytes()


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
async def test_the_page_and_the_server_write_the_same_csv(visit: Visit, query: str) -> None:
    panel = await visit.see(query, "Table")
    of_server = await saved(visit, panel)
    await expect(panel).to_contain_text("asked of the server anew")
    assert visit.errors == []
    await visit.page.route("**/graphql?format=csv", lambda route: route.abort())
    of_page = await saved(visit, panel)
    await expect(panel).to_contain_text("of this page")
    assert of_page == of_server
