"""The GraphQL page as files: its HTML, assets, examples and installer."""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from graphql import OperationDefinitionNode, parse
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from graph.playground import install
from graph.playground import page as playground
from tests.playground import need_assets


async def graphql(request: Request) -> Response:
    return playground.page(request)


APP = Starlette(routes=[Route("/graphql", graphql), *playground.routes()])


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
        "report",
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
