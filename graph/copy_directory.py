"""The command `usergraph copy`: an SQLite directory into an empty PostgreSQL, compared row by row."""

import argparse
import asyncio
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tqdm import tqdm

from models import migrate
from models.copying import Compared, Copied, CopyFailed, Different, copy, require_empty
from models.database import Database, sqlite_file
from models.errors import Unavailable
from models.settings import Settings


def add_copy(commands: Any) -> None:
    parser: argparse.ArgumentParser = commands.add_parser(
        "copy",
        help="copy an SQLite directory to an empty PostgreSQL",
        description="Copy an SQLite directory to an empty PostgreSQL, all or nothing, and compare what arrived.",
    )
    to = "postgres://…, leading to the server itself, not through a pooler"
    parser.add_argument("--to", required=True, metavar="URL", help=to)
    where = "sqlite://PATH, instead of USERGRAPH_DATABASE_URL"
    parser.add_argument("--from", dest="source", metavar="URL", help=where)
    parser.set_defaults(run=run_copy)


def run_copy(given: argparse.Namespace, settings: Settings) -> int:
    url = given.source or settings.database_url
    file = sqlite_file(url)
    try:
        if file is None:
            raise CopyFailed("The source is no SQLite directory. Name it: --from sqlite://PATH")
        if not given.to.startswith(("postgres://", "postgresql://")):
            raise CopyFailed("The target is no PostgreSQL. Name it: --to postgres://USER@HOST/DATABASE")
        copied = asyncio.run(_copy(url, given.to, settings))
    except CopyFailed as error:
        if isinstance(error, Different):
            _show(error.tables)
        print(f"usergraph: {error}", file=sys.stderr)
        return 1
    _show(copied.tables)
    print(_next(copied, settings, file))
    return 0


async def _copy(url: str, target_url: str, settings: Settings) -> Copied:
    source = Database(url, wait=settings.database_wait)
    target = Database(target_url, wait=settings.database_wait)
    await source.open()
    try:
        await migrate.require_current(source)
        await _prepare(target)
        async with source.reading() as connection:
            return await target.transaction(lambda tx: copy(connection, tx, _progress))
    finally:
        await target.close()
        await source.close()


async def _prepare(target: Database) -> None:
    """An up-to-date database, which is looked into first: one with a directory in it is not touched."""
    try:
        await target.open()
        async with target.reading() as connection:
            await require_empty(connection)
        await migrate.bring_up_to_date(target.url)
    except Unavailable as error:
        raise CopyFailed(str(error).replace("USERGRAPH_DATABASE_URL", "--to")) from error


@contextmanager
def _progress(name: str, total: int) -> Iterator[Callable[[int], object]]:
    with tqdm(total=total, desc=name, unit=" rows", unit_scale=True, disable=None) as bar:
        yield bar.update


def _show(tables: Sequence[Compared]) -> None:
    width = max(len(each.table) for each in tables)
    print(f"{'table':{width}}  {'SQLite':>22}  {'PostgreSQL':>22}")
    for each in tables:
        sides = (f"{side.rows:>9,} {side.digest[:12]}" for side in (each.source, each.target))
        print(f"{each.table:{width}}  {'  '.join(sides)}  {'same' if each.is_same else 'DIFFERENT'}")


def _next(copied: Copied, settings: Settings, file: Path) -> str:
    lines = [f"All {sum(each.source.rows for each in copied.tables):,} rows are in PostgreSQL."]
    if copied.was_changed:
        lines.append("Attention: SQLite was written to meanwhile, and that is not in the copy. Stop the service there,")
        lines.append("make the target anew, and copy again.")
    key = file.with_suffix(".key").absolute()
    if settings.secret_key:
        lines.append("Serve it with the USERGRAPH_SECRET_KEY that is set now: all that is sealed needs it.")
    elif key.exists():
        lines.append("Serve it with the same secret key, which second factors, providers and letters are sealed with:")
        lines.append(f'  export USERGRAPH_SECRET_KEY="$(cat {key})"')
    return "\n".join(lines)
