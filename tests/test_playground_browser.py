"""The GraphQL page in a real browser, against a real service with the demo directory."""

import asyncio
import os
import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Route, expect

from graph.playground import page as playground
from tests.visits import Visit


async def test_first_visit_offers_the_examples_and_asks_for_a_key(visit: Visit) -> None:
    page = visit.page
    await expect(page).to_have_title("usergraph")
    await expect(page.get_by_role("status")).to_contain_text("make serve")
    await expect(page.get_by_role("status")).to_contain_text("usergraph admin key USERNAME")
    await expect(page.get_by_label("API key")).to_have_attribute("type", "password")
    await expect(visit.tabs).to_have_count(len(playground.examples()))
    # Without a key nothing is worth asking the server.
    assert visit.url not in visit.requested[1:]
    assert visit.errors == []


async def test_query_runs_and_everything_comes_from_this_server(visit: Visit) -> None:
    page = visit.page
    await visit.use_key(visit.key)
    await expect(page.get_by_role("status")).to_have_count(0)
    await page.get_by_role("button", name="New tab").click()
    await visit.run("query Ping { __typename }")
    await expect(page.locator(".graphiql-response")).to_contain_text(re.compile(r'"__typename":\s"Query"'))

    await page.get_by_role("button", name="Show Query Builder").click()
    await expect(page.locator(".docExplorerWrap")).to_contain_text("me")
    await page.get_by_role("button", name="Show Documentation Explorer").click()
    await expect(page.locator(".graphiql-doc-explorer")).to_contain_text("Root Types")
    await page.get_by_role("button", name="Show Examples").click()
    examples = page.get_by_role("region", name="Examples")
    await expect(examples.get_by_role("heading", level=3)).to_have_text(
        ["Frontend developer", "Integrator", "Analyst", "Reports"]
    )
    await page.get_by_role("button", name="Show History").click()
    await expect(page.locator(".graphiql-history")).to_contain_text("Ping")

    # The language services really run in their workers.
    workers = {urlsplit(worker.url).path.rpartition("/")[2].partition("-")[0] for worker in page.workers}
    assert workers >= {"graphql", "json"}
    assert visit.elsewhere() == []
    assert visit.errors == []


async def test_example_opens_again_after_its_tab_was_closed(visit: Visit) -> None:
    page = visit.page
    last = visit.tabs.filter(has_text="AuditEvents")
    # Only the hovered and the open tab show their close buttons.
    await last.hover()
    await last.get_by_role("button", name="Close Tab").click()
    await expect(last).to_have_count(0)
    # The list of examples is open on the first visit.
    await page.get_by_role("button", name="The latest audit events").click()
    await expect(last).to_have_attribute("aria-selected", "true")
    await expect(last).to_be_in_viewport(ratio=0.9)
    await expect(page.locator(".graphiql-query-editor")).to_contain_text("auditEvents")
    assert visit.errors == []


async def test_key_stays_in_the_tab_and_can_be_forgotten(visit: Visit) -> None:
    page = visit.page
    await visit.use_key(visit.key)
    await visit.run("query Ping { __typename }")
    await expect(page.locator(".graphiql-response")).to_contain_text("Query")
    await page.reload()
    await expect(visit.tabs.first).to_be_visible()
    await expect(page.get_by_role("status")).to_have_count(0)
    # GraphiQL writes its tabs and history a moment after each change, so wait until it has.
    await page.wait_for_function("JSON.stringify(localStorage).includes('Ping')")
    assert visit.key not in await page.evaluate("JSON.stringify(localStorage)")
    assert visit.key in await page.evaluate("JSON.stringify(sessionStorage)")
    assert visit.key not in "".join(visit.requested)

    await page.get_by_role("button", name="Forget").click()
    await expect(page.get_by_role("status")).to_contain_text("Enter an API key")
    assert visit.key not in await page.evaluate("JSON.stringify(sessionStorage)")


async def test_a_late_answer_to_the_last_key_says_nothing_of_this_one(visit: Visit) -> None:
    page, answered = visit.page, asyncio.Event()

    async def late(route: Route) -> None:
        await answered.wait()
        await route.fulfill(json={"data": None})

    await page.route("**/graphql", late)
    async with page.expect_request("**/graphql"):
        await visit.use_key(visit.key)
    await page.get_by_role("button", name="Forget").click()
    async with page.expect_response("**/graphql"):
        answered.set()
    await page.evaluate("new Promise((done) => setTimeout(done, 100))")
    await expect(page.get_by_role("status")).to_contain_text("Enter an API key", timeout=1)


async def test_page_works_without_the_examples(visit: Visit) -> None:
    await visit.page.context.route("**/examples.json", lambda route: route.abort())
    await visit.page.evaluate("localStorage.clear()")
    await visit.page.reload()
    await visit.use_key(visit.key)
    await visit.run("query Ping { __typename }")
    await expect(visit.page.locator(".graphiql-response")).to_contain_text("Query")


async def test_refused_key_is_explained(visit: Visit) -> None:
    await visit.use_key("no-such-key")
    await expect(visit.page.get_by_role("status")).to_contain_text("refused this API key")


async def test_silent_server_is_explained(visit: Visit) -> None:
    await visit.page.route("**/graphql", lambda route: route.abort())
    await visit.use_key(visit.key)
    await expect(visit.page.get_by_role("status")).to_contain_text("did not answer")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_example_answers_beside_the_query_builder(visit: Visit, scheme: str, tmp_path: Path) -> None:
    """And takes the documentation's picture: the file named by USERGRAPH_SCREENSHOT, and its -dark twin."""
    page, target = visit.page, Path(os.environ.get("USERGRAPH_SCREENSHOT") or tmp_path / "page.png")
    await page.emulate_media(color_scheme=scheme)
    await visit.use_key(visit.key)
    await visit.tabs.get_by_text("Me", exact=True).click()
    await page.get_by_role("button", name="Show Query Builder").click()
    await expect(page.locator(".docExplorerWrap")).to_contain_text("visibleUserFields")
    await page.get_by_role("button", name="Execute query").click()
    await expect(page.locator(".graphiql-response .view-lines")).to_contain_text("admin")
    # Away from the button, whose tooltip would hide a part of the query.
    await page.get_by_role("heading", name="usergraph").hover()
    await expect(page.get_by_role("tooltip")).to_have_count(0)
    picture = target if scheme == "light" else target.with_stem(f"{target.stem}-dark")
    await page.screenshot(path=picture)
    assert picture.read_bytes().startswith(b"\x89PNG")
