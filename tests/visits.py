"""Visits to the GraphQL page: a real browser, and a real service with the demo directory."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from playwright.async_api import Browser, ConsoleMessage, Locator, Page, Route, async_playwright, expect

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


@contextmanager
def serving_demo(file: Path) -> Iterator[str]:
    """A running service on that new database: the URL of its GraphQL endpoint. API_KEY opens it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
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
        yield f"{url}/graphql"
    finally:
        process.terminate()
        process.wait(20)


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """The machine's own Chromium; without one the test is skipped, but never in CI."""
    need_assets()
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next(filter(None, map(shutil.which, names)), None)
    need(found, "no Chromium on this machine (Debian: apt-get install chromium)")
    # Generous, as a busy machine takes a while to start the editor; a passing test waits for none of it.
    expect.set_options(timeout=30_000)
    async with async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=found, args=CHROMIUM_FLAGS)
        yield browser
        await browser.close()


@dataclass
class Visit:
    """An open page with everything it asked for and complained about."""

    page: Page
    url: str
    key: str = API_KEY
    requested: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    @property
    def tabs(self) -> Locator:
        """The tabs of queries, not those of a result's views."""
        return self.page.get_by_role("tablist", name="Select active operation").get_by_role("tab")

    def elsewhere(self) -> list[str]:
        """What was asked of anyone but the page's own server."""
        origin = self.url.removesuffix("/graphql")
        return [url for url in self.requested if not url.startswith((f"{origin}/", f"blob:{origin}/", "data:"))]

    async def use_key(self, key: str) -> None:
        await self.page.get_by_label("API key").fill(key)
        await self.page.get_by_role("button", name="Use", exact=True).click()

    async def write(self, query: str) -> None:
        """Replaces the open tab's query, which must have a name."""
        # Not its lines: a long one, scrolled, lies under the panel beside the editor.
        await self.page.locator(".graphiql-query-editor .monaco-editor").first.click()
        await self.page.keyboard.press("ControlOrMeta+A")
        # On one line: the editor would close brackets by itself at the ends of others.
        await self.page.keyboard.insert_text(" ".join(query.split()))
        # GraphiQL takes an edit over a moment later; the history records only what it has taken over.
        await expect(self.tabs.and_(self.page.get_by_role("tab", selected=True))).to_contain_text(
            re.split(r"\W+", query)[1]
        )

    async def execute(self) -> None:
        await self.page.get_by_role("button", name="Execute query").click()

    async def run(self, query: str) -> None:
        await self.write(query)
        await self.execute()

    def view_tab(self, name: str) -> Locator:
        return self.page.get_by_role("tablist", name="Views of the result").get_by_role("tab", name=name)

    async def look(self, name: str) -> Locator:
        """Opens a view of the result: Result, Table or Chart."""
        await self.view_tab(name).click()
        return self.page.get_by_role("tabpanel", name=name)

    async def see(self, query: str, name: str) -> Locator:
        """Asks as the administrator, and opens a view of the answer."""
        await self.use_key(self.key)
        await self.run(query)
        return await self.look(name)

    async def answer(self, data: Any, **more: Any) -> None:
        """Lets the server answer every query but the one for the schema with this."""

        async def handle(route: Route) -> None:
            if "IntrospectionQuery" in (route.request.post_data or ""):
                await route.fallback()
            else:
                await route.fulfill(json={"data": data, **more})

        await self.page.route("**/graphql", handle)


@asynccontextmanager
async def visiting(browser: Browser, url: str, width: int = 1280, height: int = 800) -> AsyncIterator[Visit]:
    """A first visit to the page, in a window of its own."""
    context = await browser.new_context(viewport={"width": width, "height": height})
    visit = Visit(await context.new_page(), url)

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
