"""The command `usergraph report`: a saved report from the directory into a file, whole or not at all."""

import argparse
import asyncio
import contextlib
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from tqdm import tqdm

from graph import collector
from models import migrate
from models.database import Database
from models.errors import NotFound
from models.settings import Settings
from resolvers.viewers import by_username

FORMATS = ("csv", "ndjson", "arrow", "parquet", "xlsx", "json")
BINARY = ("arrow", "parquet", "xlsx")


def add_report(commands: Any) -> None:
    parser: argparse.ArgumentParser = commands.add_parser(
        "report",
        help="run a saved report, into a file",
        description="Run a saved report. A FILE is written whole or left as it was.",
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="which report")
    parser.add_argument("--list", action="store_true", help="list the reports instead")
    parser.add_argument("--format", choices=FORMATS, help="instead of telling it from FILE's ending (json)")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="where it goes, instead of the terminal")
    what = "a value of a variable of it; repeatable"
    parser.add_argument("--set", action="append", default=[], dest="values", metavar="NAME=VALUE", help=what)
    parser.add_argument("--as", dest="username", default="admin", metavar="USERNAME", help="whose rights count (admin)")
    parser.set_defaults(run=run_report, refuse=parser.error)


def run_report(given: argparse.Namespace, settings: Settings) -> int:
    if (given.name is None) != given.list:
        given.refuse("name one report, or ask for --list")
    pairs = [tuple(each.split("=", 1)) for each in given.values]
    if any(len(pair) != 2 for pair in pairs):
        given.refuse("--set takes NAME=VALUE")
    kind = given.format or _kind_of(given.output)
    if kind in BINARY and given.output is None and sys.stdout.isatty():
        given.refuse(f"{kind} is not for a terminal: name a FILE with -o")
    try:
        if given.list:
            return asyncio.run(_list(given, settings))
        asyncio.run(_report(given, settings, kind, pairs))
    except BrokenPipeError:  # who reads the answer has seen enough of it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        print(f"usergraph: {error}", file=sys.stderr)
        return 1
    return 0


def _kind_of(file: Path | None) -> str:
    ending = file.suffix.lstrip(".").lower() if file else ""
    return ending if ending in FORMATS else "json"


async def _list(given: argparse.Namespace, settings: Settings) -> int:
    async with _asking(given, settings) as asking:
        reports = await asking.reports()
    width = max((len(each["name"]) for each in reports), default=0)
    for each in reports:
        print(f"{each['name']:{width}}  {each['description'] or ''}".rstrip())
    return 0


async def _report(given: argparse.Namespace, settings: Settings, kind: str, values: Sequence[tuple[str, str]]) -> None:
    async with _asking(given, settings) as asking:
        with tqdm(desc=given.name, unit=" rows", unit_scale=True, disable=None) as bar, _into(given.output) as out:
            async with contextlib.aclosing(asking.pieces(given.name, values, kind, bar)) as pieces:
                async for piece in pieces:
                    out.write(piece)


@contextlib.asynccontextmanager
async def _asking(given: argparse.Namespace, settings: Settings) -> AsyncIterator[Any]:
    """The reports of the directory, as the user sees them whose rights count."""
    from graph.report_pieces import Asking  # the schema takes a second to make

    database = Database.of(settings)
    await database.open()
    try:
        await migrate.require_current(database)
        async with database.reading() as connection:
            viewer = await by_username(connection, given.username)
        if viewer is None:
            raise NotFound(what="active user", key=f"{given.username!r} to run it as")
        asking = Asking(settings, database, viewer)
        collector.settle()
        try:
            yield asking
        finally:
            asking.close()
    finally:
        await database.close()


@contextlib.contextmanager
def _into(file: Path | None) -> Iterator[BinaryIO]:
    """What is written becomes the file when all of it is there. It is its owner's alone: it may hold the directory."""
    if file is None or (file.exists() and not file.is_file()):  # a pipe or a device has no half to hide
        with contextlib.nullcontext(sys.stdout.buffer) if file is None else file.open("wb") as out:
            yield out
            out.flush()
        return
    file = file.resolve()  # what a link leads to is replaced, never the link
    handle, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    try:
        with os.fdopen(handle, "wb") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        os.replace(name, file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
