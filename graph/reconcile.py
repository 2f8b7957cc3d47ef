"""The command `usergraph reconcile`: a file of all users of a source, planned or applied, with progress."""

import argparse
import asyncio
import sys
from pathlib import Path
from typing import Any

from tqdm import tqdm

from graph import collector
from graph.import_users import SHOWN, mapping
from models import migrate
from models.database import Database
from models.secrets import sealer
from models.settings import Settings
from resolvers.hashing import Hasher
from resolvers.import_users import Import
from resolvers.importers import FORMATS, Source, UnreadableFile, open_rows
from resolvers.reconcile_files import Reconciliation, Told, finish, send, some_rows

WORDS = {
    "create": "created",
    "update": "updated",
    "reactivate": "reactivated",
    "deactivate": "deactivated",
    "unchanged": "unchanged",
    "absent": "missing and kept",
    "failed": "refused",
}


def add_reconcile(commands: Any) -> None:
    parser: argparse.ArgumentParser = commands.add_parser(
        "reconcile",
        help="make the users of a source equal to a file that names all of them",
        description="Make the users of a source equal to a file that names all of them. Exit code 1: refused as a"
        " whole, with nothing changed; 3: some rows were refused.",
    )
    parser.add_argument("file", type=Path, help="all users of the source")
    parser.add_argument("--source", required=True, metavar="NAME", help="the system they come from, always the same")
    what = "what becomes of users whom the file does not name any more (KEEP)"
    parser.add_argument("--missing", choices=["KEEP", "DEACTIVATE"], default="KEEP", help=what)
    most = "how many it may deactivate, as a number or as a percentage such as 10%% (5%%)"
    parser.add_argument("--max-deactivations", metavar="N", help=most)
    often = "in how many files in a row a user must be missing to be deactivated (2)"
    parser.add_argument("--absences-before", type=int, metavar="N", help=often)
    parser.add_argument("--expected-count", type=int, metavar="N", help="refuse a file with another number of users")
    parser.add_argument("--dry-run", action="store_true", help="say what would happen, change nothing")
    parser.add_argument("--format", choices=FORMATS, help="instead of telling it from the file")
    parser.add_argument("--encoding", help="instead of finding it out")
    meaning = "what a column means; repeatable"
    parser.add_argument("--map", action="append", default=[], metavar="COLUMN=FIELD", help=meaning)
    parser.add_argument("--role", help="platform role of new users whose row names none")
    parser.add_argument("--ldap-server", type=int, metavar="N", help="new users of an LDIF sign in at LDAP server N")
    parser.add_argument("--no-create-groups", action="store_true", help="refuse rows whose group is not there")
    parser.add_argument("--as", dest="username", default="admin", metavar="USERNAME", help="whose rights count (admin)")
    parser.set_defaults(run=run_reconcile)


def run_reconcile(given: argparse.Namespace, settings: Settings) -> int:
    try:
        options = _options(given)
        columns = mapping(given.map)
        how = {"format": given.format, "encoding": given.encoding, "ldap_server": given.ldap_server}
        source = open_rows(given.file, mapping=columns, **how)
        if source.incomplete:
            raise UnreadableFile(f"{given.file} does not hold everybody: {source.incomplete}. Export it whole.")
    except (UnreadableFile, OSError) as error:
        print(f"usergraph: {error}", file=sys.stderr)
        return 1
    plural = "" if source.total == 1 else "s"
    print(f"{given.file}: {source.format}, {source.encoding}, {source.total} user{plural}", file=sys.stderr)
    for note in source.notes:
        print(f"  note: {note}", file=sys.stderr)
    return asyncio.run(_reconcile(given, settings, source, options))


def _options(given: argparse.Namespace) -> dict[str, Any]:
    named = {"missing": given.missing, "absences_before": given.absences_before, "expected_count": given.expected_count}
    limit = given.max_deactivations
    if limit is not None:
        name, kind = ("percent", float) if limit.endswith("%") else ("users", int)
        try:
            named["max_deactivations"] = {name: kind(limit.removesuffix("%"))}
        except ValueError as error:
            raise UnreadableFile(f"--max-deactivations takes 20 or 10%, not {limit!r}.") from error
    return named


async def _reconcile(given: argparse.Namespace, settings: Settings, source: Source, options: dict[str, Any]) -> int:
    await migrate.bring_existing_up_to_date(settings.database_url, prepare=settings.database_prepare)
    database = Database.of(settings)
    await database.open()
    collector.settle()
    hasher = Hasher()
    how = Import(
        settings=settings,
        sealer=sealer(settings.secret_key, database.file),
        hasher=hasher,
        username=given.username,
        role=given.role,
        create_groups=not given.no_create_groups,
        dry_run=given.dry_run,
        noun=source.noun,
        is_table=source.format == "csv",
        source=given.source,
    )
    try:
        with tqdm(total=source.total, desc="send", unit=" rows", disable=None) as bar:
            job_id = await send(database, Reconciliation(how, given.source, options), source, bar.update)
        with tqdm(desc="plan", unit=" users", disable=None) as bar:
            told = await finish(database, how, job_id, lambda seen: _show(bar, seen))
        return await _summary(given, database, told)
    finally:
        hasher.close()
        await database.close()


def _show(bar: Any, told: Told) -> None:
    bar.set_description((told.step or told.state).lower(), refresh=False)
    bar.total, bar.n = told.total, told.done
    bar.refresh()


async def _summary(given: argparse.Namespace, database: Database, told: Told) -> int:
    if told.state != "DONE":
        print(f"usergraph: job_{told.id} was {told.state.lower()}: {told.error}", file=sys.stderr)
    words = ", ".join(f"{told.counts.get(action, 0)} {word}" for action, word in WORDS.items())
    planned = "Dry run, nothing changed: " if given.dry_run else "Nothing changed: " if told.state == "REFUSED" else ""
    print(f"{planned}{words}")
    for action, word in (("DEACTIVATE", "deactivated"), ("FAILED", "refused")):
        for label, messages in await some_rows(database, told.id, action, SHOWN):
            print(f"  {word}: {label} {'; '.join(messages)}".rstrip(), file=sys.stderr)
        more = told.counts.get(action.lower(), 0) - SHOWN
        if more > 0:
            print(f"  … and {more} more {word}; ask for the rows of job_{told.id}", file=sys.stderr)
    if told.state != "DONE":
        return 1
    return 3 if told.counts.get("failed", 0) else 0
