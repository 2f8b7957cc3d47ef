"""Owns the tests of the GraphQL page: its HTML and assets, and the page itself in a real browser."""

import asyncio
import json
import os
import re
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
import strawberry
import uvicorn
from graphql import OperationDefinitionNode, parse
from playwright.async_api import Browser, ConsoleMessage, Page, async_playwright, expect
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from graph.playground import install
from graph.playground import page as playground

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


def need(available: object, reason: str) -> None:
    """Skips where a tool is missing, except in CI, which must run everything."""
    if available:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def need_assets() -> None:
    need(
        (playground.ASSETS / "manifest.json").is_file(),
        "no page assets: run python -m graph.playground.install",
    )


# --- the server ---------------------------------------------------------------------------------------------

API_KEY = "test-key-1"


@strawberry.type
class Role:
    name: str = "FullAdmin"


@strawberry.type
class User:
    id: strawberry.ID = strawberry.ID("user_1")
    username: str = "ada"
    role: Role = strawberry.field(default_factory=Role)


@strawberry.type
class Viewer:
    visible_user_fields: list[str] = strawberry.field(default_factory=lambda: ["id", "username", "role"])


@strawberry.type
class Query:
    me: User = strawberry.field(default_factory=User, description="The user of the API key.")
    viewer: Viewer = strawberry.field(default_factory=Viewer)


SCHEMA = strawberry.Schema(query=Query)


async def graphql(request: Request) -> Response:
    if request.method == "GET":
        return playground.page(request)
    if request.headers.get("X-ApiKey") != API_KEY:
        return JSONResponse({"errors": [{"message": "Unknown API key."}]}, status_code=401)
    body = await request.json()
    result = await SCHEMA.execute(body["query"], body.get("variables"), root_value=Query())
    answer: dict[str, object] = {"data": result.data}
    if result.errors:
        answer["errors"] = [error.formatted for error in result.errors]
    return JSONResponse(answer)


APP = Starlette(routes=[Route("/graphql", graphql, methods=["GET", "POST"]), *playground.routes()])


@pytest.fixture(scope="session")
async def playground_server() -> AsyncIterator[tuple[str, str]]:
    """A running service: the URL of its GraphQL endpoint and an API key for it."""
    server = uvicorn.Server(uvicorn.Config(APP, host="127.0.0.1", port=0, log_level="warning"))
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn offers no event to wait for
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}/graphql", API_KEY
    server.should_exit = True
    await task


# --- the HTML, the assets and the examples ------------------------------------------------------------------


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=APP)
    async with httpx.AsyncClient(transport=transport, base_url="http://usergraph.test") as client:
        yield client


async def test_page_names_only_its_own_files(http: httpx.AsyncClient) -> None:
    need_assets()
    response = await http.get("/graphql", headers={"Accept": "text/html"})
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert "<title>usergraph</title>" in response.text
    assert "//" not in re.sub(r"http://www\.w3\.org/2000/svg", "", response.text)

    links = re.findall(r'(?:src|href)="(/[^"]+)"', response.text)
    assert len(links) == 2
    types = []
    for link in links:
        asset = await http.get(link)
        assert asset.status_code == 200
        assert "immutable" in asset.headers["cache-control"]
        types.append(asset.headers["content-type"])
    assert types == ["text/css; charset=utf-8", "text/javascript; charset=utf-8"]


async def test_content_policy_is_strict(http: httpx.AsyncClient) -> None:
    need_assets()
    html = await http.get("/graphql")
    script = re.findall(r'src="([^"]+)"', html.text)[0]
    # A worker obeys the policy it was served with, so scripts carry it as well.
    for response in (html, await http.get(script), await http.get("/playground/examples.json")):
        policy = dict(part.split(" ", 1) for part in response.headers["content-security-policy"].split("; "))
        assert policy["default-src"] == "'none'"
        assert policy["script-src"] == policy["worker-src"] == policy["connect-src"] == "'self'"
        assert not re.search(r"https?:|\*|blob:|unsafe-eval", " ".join(policy.values()))
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["referrer-policy"] == "no-referrer"
    assert html.headers["vary"] == "Accept"


async def test_prefix_of_a_proxy_is_kept() -> None:
    need_assets()
    transport = httpx.ASGITransport(app=APP, root_path="/users")
    async with httpx.AsyncClient(transport=transport, base_url="http://usergraph.test") as client:
        html = (await client.get("/users/graphql")).text
        links = re.findall(r'(?:src|href|data-examples)="(/[^"]+)"', html)
        assert len(links) == 3
        assert [(await client.get(link)).status_code for link in links] == [200, 200, 200]


@pytest.mark.parametrize("name", ["manifest.json", ".stamp", "app-00000000.js", "..%2Fpage.py", "%2e%2e/page.py"])
async def test_only_the_bundle_is_served(http: httpx.AsyncClient, name: str) -> None:
    assert (await http.get(f"/playground/assets/{name}")).status_code == 404


async def test_without_assets_the_page_says_how_to_install(
    http: httpx.AsyncClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(playground, "ASSETS", tmp_path)
    response = await http.get("/graphql")
    assert response.status_code == 503
    assert "python -m graph.playground.install" in response.text


async def test_examples_are_served_in_order(http: httpx.AsyncClient) -> None:
    response = await http.get("/playground/examples.json")
    assert response.headers["content-type"] == "application/json"
    examples = response.json()
    assert examples == playground.examples()
    assert list(dict.fromkeys(example["group"] for example in examples)) == [
        "frontend",
        "integrator",
        "analyst",
    ]
    operations = []
    for example in examples:
        (operation,) = parse(example["query"]).definitions
        assert isinstance(operation, OperationDefinitionNode)
        assert operation.name
        operations.append(operation.name.value)
        if operation.operation.value == "mutation":
            assert "dryRun: true" in example["query"], "an example must be safe to try"
    # GraphiQL titles a tab by its operation.
    assert len(set(operations)) == len(operations)


# --- the installer ------------------------------------------------------------------------------------------


def test_lock_pins_every_package_and_names_no_registry() -> None:
    packages = json.loads(install.LOCK.read_text())["packages"]
    installed = {path: package for path, package in packages.items() if path}
    assert installed
    for path, package in installed.items():
        assert package.get("integrity", "").startswith("sha512-"), path
        assert "resolved" not in package, path
    for platform in ("linux-x64", "linux-arm64", "darwin-x64", "darwin-arm64"):
        assert f"node_modules/@esbuild/{platform}" in installed


def test_up_to_date_assets_need_no_tool(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    need_assets()
    monkeypatch.setenv("PATH", "")
    assert install.main() == 0
    assert capsys.readouterr().out == "playground: up to date\n"


def test_failed_installation_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(install, "ASSETS", tmp_path / "assets")
    monkeypatch.setattr(install, "NODE", tmp_path / "node")
    monkeypatch.setattr(install, "system_node", lambda: None)

    def fail(command: list[str | Path], env: dict[str, str] | None = None) -> None:
        raise install.InstallError("no network")

    monkeypatch.setattr(install, "run", fail)
    assert install.main() == 1
    said = capsys.readouterr().err
    assert "no network" in said
    assert "python -m graph.playground.install" in said


# --- the page in a browser ----------------------------------------------------------------------------------


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


@pytest.mark.skipif("USERGRAPH_SCREENSHOT" not in os.environ, reason="USERGRAPH_SCREENSHOT names no file")
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_screenshot(visit: Visit, scheme: str) -> None:
    """Takes the documentation's picture: the file named by USERGRAPH_SCREENSHOT, and its -dark twin."""
    page, target = visit.page, Path(os.environ["USERGRAPH_SCREENSHOT"])
    await page.emulate_media(color_scheme=scheme)
    await visit.use_key(visit.key)
    await page.get_by_role("tab", name="Me").click()
    await page.get_by_role("button", name="Show Query Builder").click()
    await expect(page.locator(".docExplorerWrap")).to_contain_text("visibleUserFields")
    await page.get_by_role("button", name="Execute query").click()
    await expect(page.locator(".graphiql-response .view-lines")).to_contain_text("FullAdmin")
    # Away from the button, whose tooltip would hide a part of the query.
    await page.get_by_role("heading", name="usergraph").hover()
    await expect(page.get_by_role("tooltip")).to_have_count(0)
    await page.screenshot(path=target if scheme == "light" else target.with_stem(f"{target.stem}-dark"))
