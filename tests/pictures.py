"""Takes the pictures of docs/analysts.md: `python -m tests.pictures` asks in the page and photographs.

A picture belongs to the document before it; its text says the view: `![Chart: users by role](users-by-role.png)`.
"""

import asyncio
import re
import sys
import tempfile
import zlib
from pathlib import Path
from typing import NamedTuple

from playwright.async_api import FloatRect, Locator, Page, expect

from tests.visits import Visit, chromium, serving_demo, visiting

DOCS = Path(__file__).parents[1] / "docs"
PAGE = DOCS / "analysts.md"
DRAWN = re.compile(
    r"^```graphql\n(?P<document>[^`]+)^```\n+!\[(?P<view>Table|Chart)\b[^\]]*\]\((?P<file>[\w-]+\.png)\)", re.MULTILINE
)
LARGEST = 80_000


class Drawn(NamedTuple):
    document: str
    view: str
    file: str


def drawn(text: str) -> list[Drawn]:
    return [Drawn(*found.group("document", "view", "file")) for found in DRAWN.finditer(text)]


def named(document: str) -> str:
    """The document as the page's editor gets it: without comments, its operation with a name."""
    lines = [line for line in document.strip().splitlines() if not line.startswith("#")]
    text = "\n".join(lines)
    return f"query Question {text}" if text.startswith("{") else re.sub(r"^query\s*(?=[({])", "query Question ", text)


def smaller(png: bytes) -> bytes:
    """The same picture with its lines packed as well as they can be."""
    chunks, at = [], 8
    while at < len(png):
        length = int.from_bytes(png[at : at + 4])
        chunks.append((png[at + 4 : at + 8], png[at + 8 : at + 8 + length]))
        at += 12 + length
    data = zlib.compress(zlib.decompress(b"".join(data for kind, data in chunks if kind == b"IDAT")), 9)
    packed = [next(chunk for chunk in chunks if chunk[0] == b"IHDR"), (b"IDAT", data), (b"IEND", b"")]
    written = (len(body).to_bytes(4) + kind + body + zlib.crc32(kind + body).to_bytes(4) for kind, body in packed)
    return png[:8] + b"".join(written)


async def place(page: Page, panel: Locator) -> FloatRect:
    """Where the view is, with its tabs, without the empty rest of a short table's pane."""
    pane = await page.locator(".graphiql-response").bounding_box()
    end = await panel.locator(":scope > :last-child").bounding_box()
    assert pane
    assert end
    return {
        "x": pane["x"],
        "y": pane["y"] + 2,
        "width": pane["width"],
        "height": end["y"] + end["height"] - pane["y"] + 6,
    }


async def take(visit: Visit, picture: Drawn) -> int:
    """Asks in the page's open tab and photographs the result's pane; how many bytes that made."""
    page: Page = visit.page
    await visit.look("Result")
    await visit.run(named(picture.document))
    panel = await visit.look(picture.view)
    await expect(panel.locator("canvas, table").first).to_be_visible()
    await page.get_by_role("heading", name="usergraph").hover()
    await expect(page.get_by_role("tooltip")).to_have_count(0)
    png = smaller(await page.screenshot(clip=await place(page, panel)))
    (DOCS / picture.file).write_bytes(png)
    return len(png)


async def main() -> int:
    pictures = drawn(PAGE.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder, serving_demo(Path(folder) / "usergraph.sqlite3") as url:
        async with chromium() as browser, visiting(browser, url, width=1760, height=620) as visit:
            await visit.use_key(visit.key)
            # All room to the result: the panel of examples and the query take a third.
            await visit.page.get_by_role("button", name="Hide Examples").click()
            for picture in pictures:
                size = await take(visit, picture)
                print(f"{picture.file}: {size / 1000:.0f} KB{' (too large)' if size > LARGEST else ''}")
    return 0 if pictures else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
