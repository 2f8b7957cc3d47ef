"""Every bundled example in a real browser: what its chart draws is what the answer says, neither more nor less."""

import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from playwright.async_api import Response, expect

from graph.playground.page import examples
from tests import visits

Rows = list[dict[str, Any]]
DRAWN = """(table) => ({
  series: [...table.querySelectorAll("thead th")].slice(1).map((cell) => cell.textContent),
  places: [...table.querySelectorAll("tbody tr")].map((row) => row.cells[0].textContent),
  values: [...table.querySelectorAll("tbody tr")].map((row) => [...row.cells].slice(1).map((cell) => cell.textContent)),
})"""


@pytest.fixture(scope="module")
def examples_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service of their own: some examples change the directory."""
    with visits.serving_demo(tmp_path_factory.mktemp("examples") / "usergraph.sqlite3") as url:
        yield url


@pytest.fixture(scope="module")
async def page_of_examples(browser: Any, examples_url: str) -> AsyncIterator[visits.Visit]:
    async with visits.visiting(browser, examples_url) as visit:
        await visit.use_key(visit.key)
        yield visit


def is_answer(response: Response) -> bool:
    """Whether this answers a query of the page's user, and not GraphiQL's own question for the schema."""
    return response.request.method == "POST" and "IntrospectionQuery" not in (response.request.post_data or "")


def rows_of(data: dict[str, Any]) -> tuple[Rows, list[dict[str, Any]] | None] | None:
    """The rows of an answer, and the columns of a report; None where no root field has rows."""
    for value in data.values():
        if isinstance(value, list):
            return value, None
        if isinstance(value, dict) and "rows" in value:
            return value["rows"], value["columns"]
        if isinstance(value, dict) and "nodes" in value:
            return value["nodes"], None
    return next((rows_of(value) for value in data.values() if isinstance(value, dict)), None)


def total(rows: Rows, columns: list[dict[str, Any]] | None, measure: str, *, dated: bool) -> float:
    """What the bars or points of the chart add up to: a measure over all rows, or how many rows there are.

    `dated`: the chart is of lines, which leave out rows without a date.
    """
    if columns is None:
        counts = [value for row in rows for name, value in (row or {}).items() if name == measure]
        return sum(counts) if counts else len(rows)
    times = [column["name"] for column in columns if column["kind"] == "DATE"]
    drawn = [row for row in rows if not dated or all(row[name] is not None for name in times)]
    name = next(column["name"] for column in columns if column["title"] == measure)
    return sum(row[name] or 0 for row in drawn)


@pytest.mark.parametrize("example", examples(), ids=lambda example: example["file"])
async def test_a_chart_draws_the_numbers_of_its_answer(page_of_examples: visits.Visit, example: Any) -> None:
    visit = page_of_examples
    await visit.page.get_by_role("button", name=example["title"], exact=True).click()
    operation = re.search(r"^(?:query|mutation) (\w+)", example["query"], re.MULTILINE)
    assert operation is not None
    # GraphiQL takes a new text over a moment later, and its name at another moment.
    await expect(visit.page.locator(".graphiql-query-editor .view-lines")).to_contain_text(operation[1])
    await expect(visit.tabs.and_(visit.page.get_by_role("tab", selected=True))).to_contain_text(operation[1])
    async with visit.page.expect_response(is_answer) as answered:
        await visit.execute()
    body = await (await answered.value).json()
    assert "errors" not in body
    panel = await visit.look("Chart")
    found = rows_of(body["data"])
    if found is None or not found[0]:
        await expect(panel).to_contain_text("no rows")
        return
    await expect(panel.get_by_role("figure")).to_be_visible()
    chart = await panel.locator("table.unseen").evaluate(DRAWN)
    measure = await panel.get_by_label("Measure").evaluate("(select) => select.selectedOptions[0].textContent")
    type_ = await panel.get_by_role("combobox", name="As", exact=True).input_value()
    if measure != "all measures":
        numbers = [float(text.replace(",", "")) for row in chart["values"] for text in row if text]
        assert sum(numbers) == total(*found, measure, dated=type_ == "line"), chart
    columns = found[1] or []
    if any(column["name"] == "asOf" for column in columns):
        assert chart["places"] == sorted({row["asOf"][:10] for row in found[0]})
    assert visit.errors == []
