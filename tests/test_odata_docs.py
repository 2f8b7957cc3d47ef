"""The page on Excel and Power BI under test: every request in it answers as it says, every link leads somewhere."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.server import empty_database, usergraph
from tests.service import Service, key_of, running
from tests.test_docs import ROOT, assert_setting, blocks

PAGE = ROOT / "docs" / "excel-power-bi.md"


@pytest.fixture(params=["sqlite", "postgres"])
async def demo(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Service]:
    """A directory that `usergraph demo` filled."""
    url = f"sqlite://{tmp_path}/demo.sqlite3"
    if request.param == "postgres":
        url = await empty_database(request.getfixturevalue("postgres"), "demo_of_odata")
    done = usergraph(tmp_path, "demo", database_url=url, admin_key=key_of("admin"))
    assert done.returncode == 0, done.stderr
    async with running(url) as service:
        yield service


async def test_every_request_in_the_page_answers_as_it_says(demo: Service) -> None:
    seen = 0
    for block in blocks(PAGE, "http"):
        status = 200
        for line in block.text.splitlines():
            if line.startswith("#"):
                status = int(line.removeprefix("# refused: "))
                continue
            method, _, address = line.partition(" ")
            assert method == "GET", f"{block.place}: {line}"
            answer = await demo.client.get(address, headers={"x-apikey": key_of("admin")})
            assert answer.status_code == status, f"{block.place}: {line}: {answer.text[:300]}"
            seen += 1
            if status == 200 and answer.headers["content-type"].startswith("application/json"):
                assert answer.json().get("value", True), f"{block.place}: {line} finds nothing"
            elif answer.headers["content-type"].startswith("text/csv"):
                assert answer.text.count("\n") > 3, f"{block.place}: {line} finds nothing"
    assert seen > 20


def test_its_links_and_settings_exist() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)", text):
        assert (PAGE.parent / target).exists(), target
    for anchor in re.findall(r"\]\(#([^)]+)\)", text):
        headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
        assert anchor in {heading.lower().replace(" ", "-") for heading in headings}, anchor
    for name in re.findall(r"USERGRAPH_[A-Z_]*[A-Z]", text):
        assert_setting(name, PAGE.name)


def test_its_tables_are_those_of_the_feed() -> None:
    """Sets with where they lead, from the page and from the model."""
    from graph.odata.model import model

    told = dict(re.findall(r"^\| `(\w+)` \| [^|]+ \| ([^|]+) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    assert {name: set(re.findall(r"`(\w+)`", relations)) for name, relations in told.items()} == {
        name: set(of.type.navigations) for name, of in model().sets.items()
    }
