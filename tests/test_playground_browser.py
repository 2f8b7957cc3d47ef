"""The GraphQL page in a real browser, against a real service with the demo directory."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.async_api import Browser, ConsoleMessage, Page, async_playwright, expect

from graph.playground import page as playground
from tests.playground import need, need_assets

API_KEY = "ug_test_key_for_the_playground"
CHROMIUM_FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def playground_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """A running service: the URL of its GraphQL endpoint and an API key for it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    file = tmp_path_factory.mktemp("playground") / "usergraph.sqlite3"
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("USERGRAPH_")},
        "USERGRAPH_DATABASE_URL": f"sqlite://{file}",
        "USERGRAPH_PORT": str(port),
        "USERGRAPH_ADMIN_KEY": API_KEY,
    }
    command = [str(Path(sys.executable).with_name("usergraph")), "serve", "--demo"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            try:
                if httpx.get(f"{url}/readyz").status_code == 200:
                    break
            except httpx.TransportError:
                time.sleep(0.1)
        yield f"{url}/graphql", API_KEY
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    need_assets()
    names = ("chromium", "chromium-browser", "google-chrome")
    chromium = next(filter(None, map(shutil.which, names)), None)
    need(chromium, "no Chromium on this machine (Debian: apt-get install chromium)")
    # Generous, as a busy machine takes a while to start the editor; a passing test waits for none of it.
    expect.set_options(timeout=30_000)
    async with async_playwright() as driver:
        chrome = await driver.chromium.launch(executable_path=chromium, args=CHROMIUM_FLAGS)
        yield chrome
        await chrome.close()


@dataclass
class Visit:
    """An open page with everything it asked for and complained about."""

    page: Page
    url: str
    key: str
    requested: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    async def use_key(self, key: str) -> None:
        await self.page.get_by_label("API key").fill(key)
        await self.page.get_by_role("button", name="Use", exact=True).click()

    async def run(self, query: str) -> None:
        """Replaces the open tab's query, which must have a name, and runs it."""
        await self.page.locator(".graphiql-query-editor .view-lines").click()
        await self.page.keyboard.press("ControlOrMeta+A")
        await self.page.keyboard.insert_text(query)
        # GraphiQL takes an edit over a moment later; the history records only what it has taken over.
        await expect(self.page.get_by_role("tab", selected=True)).to_contain_text(query.split()[1])
        await self.page.get_by_role("button", name="Execute query").click()


@pytest.fixture
async def visit(browser: Browser, playground_server: tuple[str, str]) -> AsyncIterator[Visit]:
    url, key = playground_server
    context = await browser.new_context(viewport={"width": 1280, "height": 800})
    visit = Visit(await context.new_page(), url, key)

    def on_console(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            visit.errors.append(message.text)

    context.on("request", lambda request: visit.requested.append(request.url))
    visit.page.on("console", on_console)
    visit.page.on("pageerror", lambda error: visit.errors.append(str(error)))
    await visit.page.goto(url)
    await expect(visit.page.locator(".graphiql-query-editor .view-lines")).to_contain_text("query")
    yield visit
    await context.close()


async def test_first_visit_offers_the_examples_and_asks_for_a_key(visit: Visit) -> None:
    page = visit.page
    await expect(page).to_have_title("usergraph")
    await expect(page.get_by_role("status")).to_contain_text("make serve")
    await expect(page.get_by_role("status")).to_contain_text("usergraph admin key USERNAME")
    await expect(page.get_by_label("API key")).to_have_attribute("type", "password")
    tabs = page.get_by_role("tab")
    await expect(tabs).to_have_count(len(playground.examples()))
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
    await expect(examples.get_by_role("heading", level=3)).to_have_text(["Frontend developer", "Integrator", "Analyst"])
    await page.get_by_role("button", name="Show History").click()
    await expect(page.locator(".graphiql-history")).to_contain_text("Ping")

    # The language services really run in their workers.
    workers = {urlsplit(worker.url).path.rpartition("/")[2].partition("-")[0] for worker in page.workers}
    assert workers >= {"graphql", "json"}
    origin = visit.url.removesuffix("/graphql")
    assert [url for url in visit.requested if not url.startswith((f"{origin}/", "data:"))] == []
    assert visit.errors == []


async def test_example_opens_again_after_its_tab_was_closed(visit: Visit) -> None:
    page = visit.page
    last = page.get_by_role("tab").filter(has_text="AuditEvents")
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
    await expect(page.get_by_role("tab").first).to_be_visible()
    await expect(page.get_by_role("status")).to_have_count(0)
    # GraphiQL writes its tabs and history a moment after each change, so wait until it has.
    await page.wait_for_function("JSON.stringify(localStorage).includes('Ping')")
    assert visit.key not in await page.evaluate("JSON.stringify(localStorage)")
    assert visit.key in await page.evaluate("JSON.stringify(sessionStorage)")
    assert visit.key not in "".join(visit.requested)

    await page.get_by_role("button", name="Forget").click()
    await expect(page.get_by_role("status")).to_contain_text("Enter an API key")
    assert visit.key not in await page.evaluate("JSON.stringify(sessionStorage)")


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
    await page.get_by_role("tab", name="Me").click()
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
