"""Results as charts, in a real browser, and what all views share: keys, themes, words where nothing can be shown."""

import re
from typing import Any

import pytest
from playwright.async_api import Locator, expect

from tests.visits import Visit

COLUMNS = [
    {"name": "role", "title": "Role", "kind": "TEXT", "isMeasure": False},
    {"name": "createdAt", "title": "Created", "kind": "DATE", "isMeasure": False},
    {"name": "count", "title": "Users", "kind": "NUMBER", "isMeasure": True},
    {"name": "share", "title": "Share", "kind": "SHARE", "isMeasure": True},
]
REPORT_ROWS = [
    {"role": role, "createdAt": f"2026-{month:02}-01", "count": month * size, "share": month * size / 100}
    for role, size in (("Admin", 1), ("IT", 2), (None, 3))
    for month in (1, 2, 3, 4)
]
REPORT = "query Report { userReport { columns { name title kind isMeasure } rows hasMore } }"


async def report(visit: Visit, rows: list[dict[str, Any]]) -> Locator:
    await visit.answer({"userReport": {"columns": COLUMNS, "rows": rows, "hasMore": False}})
    return await visit.see(REPORT, "Chart")


async def drawn(panel: Locator) -> tuple[int, float]:
    """How many colours the picture has, and the mean of what is drawn, 0 to 255."""
    await expect(panel.locator("canvas")).to_be_visible()
    colours, mean = await panel.locator("canvas").evaluate(
        """async (canvas) => {
          await new Promise((done) => requestAnimationFrame(() => setTimeout(done, 50)));
          const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d");
          copy.drawImage(canvas, 0, 0);
          const { data } = copy.getImageData(0, 0, canvas.width, canvas.height);
          let [sum, count] = [0, 0];
          for (let at = 0; at < data.length; at += 4) {
            if (data[at + 3] > 200) [sum, count] = [sum + data[at] + data[at + 1] + data[at + 2], count + 3];
          }
          return [new Set(new Uint32Array(data.buffer)).size, sum / count];
        }"""
    )
    return colours, mean


async def test_a_report_is_lines_over_time_and_everything_can_be_chosen(visit: Visit) -> None:
    panel = await report(visit, REPORT_ROWS)
    await expect(panel.get_by_role("figure")).to_contain_text("Users by Created and Role")
    picture = panel.get_by_role("img")
    await expect(picture).to_have_attribute(
        "aria-label", re.compile("Line chart: .*4 places in 3 series, from 1 to 12")
    )
    assert (await drawn(panel))[0] > 10
    await expect(panel.get_by_label("Along")).to_have_value("createdAt")

    await panel.get_by_label("Along").select_option("Role")
    await panel.get_by_role("combobox", name="Series").select_option("(one)")
    await panel.get_by_label("Measure").select_option("Share")
    await expect(panel.get_by_role("figure")).to_contain_text("Share by Role")
    await expect(panel.get_by_role("combobox", name="As", exact=True)).to_have_value("bar")
    await expect(picture).to_have_attribute("aria-label", re.compile("Bar chart: .*3 places, from 10% to 30%"))
    await expect(panel).to_contain_text("Rows that share a place in the chart are added up")
    await panel.get_by_label("Measure").select_option("all measures")
    await expect(panel.get_by_role("combobox", name="Series")).to_be_disabled()
    assert (await drawn(panel))[0] > 10
    assert visit.elsewhere() == []
    assert visit.errors == []


async def test_a_ready_report_is_a_table_and_a_chart(visit: Visit) -> None:
    page = visit.page
    await visit.use_key(visit.key)
    await page.get_by_role("button", name="Users by role, with their share").click()
    await expect(page.locator(".graphiql-query-editor")).to_contain_text("userReport")
    await visit.execute()
    panel = await visit.look("Table")
    await expect(panel.get_by_role("columnheader")).to_have_text(
        ["Role", "Role id", "Users", "Active", "Share of users"]
    )
    await expect(panel).to_contain_text("5 rows")
    await expect(panel.get_by_role("row", name=re.compile(r"Admin role_1 3 3 1%"))).to_be_visible()
    panel = await visit.look("Chart")
    await expect(panel.get_by_role("figure")).to_contain_text("Users by Role")
    await expect(panel.get_by_label("Along")).to_have_value("role")
    assert (await drawn(panel))[0] > 3
    assert visit.elsewhere() == []
    assert visit.errors == []


async def test_rows_without_numbers_are_counted(visit: Visit) -> None:
    nodes = [{"name": str(number), "role": {"name": ["IT", "Admin"][number % 3 == 0]}} for number in range(9)]
    await visit.answer({"users": {"nodes": nodes}})
    panel = await visit.see("query Plain { users { nodes { name role { name } } } }", "Chart")
    await expect(panel.get_by_role("figure")).to_contain_text("rows by role.name")
    await expect(panel.get_by_role("img")).to_have_attribute("aria-label", re.compile("2 places, from 3 to 6"))
    assert visit.errors == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_charts_follow_the_theme(visit: Visit, scheme: str) -> None:
    await visit.page.emulate_media(color_scheme="light" if scheme == "dark" else "dark")
    panel = await report(visit, REPORT_ROWS)
    _, before = await drawn(panel)
    await visit.page.emulate_media(color_scheme=scheme)
    _, after = await drawn(panel)
    assert (after > before + 20) if scheme == "dark" else (after < before - 20)
    # GraphiQL's own setting goes before the system's.
    await visit.page.get_by_role("button", name="Open settings dialog").click()
    await visit.page.get_by_role("dialog").get_by_role("button", name="Light" if scheme == "dark" else "Dark").click()
    await visit.page.keyboard.press("Escape")
    _, again = await drawn(panel)
    assert abs(again - before) < 1
    assert visit.errors == []


# --- words where nothing can be shown ---------------------------------------------------------------------------------


async def test_views_say_what_to_do_before_a_query_ran(visit: Visit) -> None:
    for name in ("Table", "Chart"):
        await expect(await visit.look(name)).to_have_text("Run a query to see its rows here.")
    assert visit.errors == []


async def test_views_say_why_there_are_no_rows(visit: Visit) -> None:
    await visit.use_key(visit.key)
    for query, words in {
        "query One { me { id } }": "This result has no rows. A table needs a list",
        "query Wrong { nothing }": "The query failed: Cannot query field",
        'query None { users(search: "nobody is called so") { nodes { id } } }': "nothing matches the query",
    }.items():
        await (await visit.look("Result")).wait_for()
        await visit.run(query)
        for name in ("Table", "Chart"):
            await expect(await visit.look(name)).to_contain_text(words)
    assert [error for error in visit.errors if "400" not in error] == []


async def test_rows_beside_errors_are_shown_with_the_error(visit: Visit) -> None:
    await visit.answer({"roles": [{"name": "IT"}]}, errors=[{"message": "You may not read that."}])
    panel = await visit.see("query Both { roles { name } }", "Table")
    await expect(panel.get_by_role("alert")).to_have_text("The answer has errors too: You may not read that.")
    await expect(panel.get_by_role("cell")).to_have_text(["IT"])


async def test_every_tab_keeps_its_own_rows(visit: Visit) -> None:
    panel = await visit.see("query First { roles { name } }", "Table")
    await expect(panel.get_by_role("columnheader")).to_have_text(["name"])
    await visit.page.get_by_role("button", name="New tab").click()
    await expect(panel).to_have_text("Run a query to see its rows here.")
    await visit.run("query Second { identityProviders { prefix } }")
    await expect(panel.get_by_role("columnheader")).to_have_text(["prefix"])
    await visit.tabs.filter(has_text="First").click()
    await expect(panel.get_by_role("columnheader")).to_have_text(["name"])
    assert visit.errors == []


async def test_views_are_chosen_by_keyboard(visit: Visit) -> None:
    page = visit.page
    await visit.see("query Keys { roles { name } }", "Result")
    await expect(page.locator(".result-window")).to_be_visible()
    for key, name in [
        ("ArrowRight", "Table"),
        ("ArrowRight", "Chart"),
        ("ArrowRight", "Result"),
        ("ArrowLeft", "Chart"),
        ("Home", "Result"),
        ("End", "Chart"),
        ("ArrowLeft", "Table"),
    ]:
        await page.keyboard.press(key)
        await expect(visit.view_tab(name)).to_be_focused()
        await expect(visit.view_tab(name)).to_have_attribute("aria-selected", "true")
        await expect(page.get_by_role("tabpanel", name=name)).to_be_visible()
    # From the tab to the buttons, the rows, and a header, which sorts; all of them are there before the first key.
    await expect(page.get_by_role("columnheader", name="name")).to_be_visible()
    await expect(page.get_by_role("button", name="Copy", exact=True)).to_be_visible()
    await expect(visit.view_tab("Table")).to_be_focused()
    for words in ("Copy", "Download CSV"):
        await page.keyboard.press("Tab")
        await expect(page.get_by_role("button", name=words, exact=True)).to_be_focused()
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("region", name="Rows")).to_be_focused()
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("columnheader", name="name")).to_have_attribute("aria-sort", "ascending")
    assert visit.errors == []
