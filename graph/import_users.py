"""The command `usergraph import`: a file of users in, with progress, a summary and a file of what was refused."""

import argparse
import asyncio
import sys
from pathlib import Path
from typing import Any

from tqdm import tqdm

from graph import collector
from models import migrate
from models.database import Database
from models.secrets import sealer
from models.settings import Settings
from models.values import API
from resolvers.hashing import Hasher
from resolvers.import_users import Import, Tally, import_rows
from resolvers.importers import FORMATS, RefusedWriter, Source, UnreadableFile, open_rows, refused_path

SHOWN = 10


def add_import(commands: Any) -> None:
    parser: argparse.ArgumentParser = commands.add_parser(
        "import",
        help="create and update users from a CSV, JSON, NDJSON or LDIF file",
        description="Create and update users from a file, by email. Exit code 3: some rows were refused.",
    )
    parser.add_argument("file", type=Path, help="what to import")
    parser.add_argument("--dry-run", action="store_true", help="say what would happen, store nothing")
    parser.add_argument("--format", choices=FORMATS, help="instead of telling it from the file")
    parser.add_argument("--encoding", help="instead of finding it out")
    meaning = "what a column means; repeatable"
    parser.add_argument("--map", action="append", default=[], metavar="COLUMN=FIELD", help=meaning)
    whose = "the system whose ids the column externalId has, such as hr (api)"
    parser.add_argument("--source", default=API, metavar="NAME", help=whose)
    parser.add_argument("--role", help="platform role of new users whose row names none")
    parser.add_argument("--ldap-server", type=int, metavar="N", help="new users of an LDIF sign in at LDAP server N")
    parser.add_argument("--no-create-groups", action="store_true", help="refuse rows whose group is not there")
    parser.add_argument("--as", dest="username", default="admin", metavar="USERNAME", help="whose rights count (admin)")
    where = "where refused rows go, ready to mend and send again"
    parser.add_argument("--refused", type=Path, metavar="FILE", help=where)
    parser.set_defaults(run=run_import)


def run_import(given: argparse.Namespace, settings: Settings) -> int:
    try:
        source = open_rows(
            given.file,
            format=given.format,
            mapping=mapping(given.map),
            encoding=given.encoding,
            ldap_server=given.ldap_server,
        )
        refused = RefusedWriter(given.refused or refused_path(given.file), source)
    except (UnreadableFile, OSError) as error:
        print(f"usergraph: {error}", file=sys.stderr)
        return 1
    print(
        f"{given.file}: {source.format}, {source.encoding}, {source.total} user{'' if source.total == 1 else 's'}",
        file=sys.stderr,
    )
    for note in source.notes:
        print(f"  note: {note}", file=sys.stderr)
    with refused:
        tally = asyncio.run(_import(given, settings, source, refused))
    return _summary(given, tally, refused)


def mapping(pairs: list[str]) -> dict[str, str]:
    for pair in pairs:
        if "=" not in pair:
            raise UnreadableFile(f"--map takes COLUMN=FIELD, not {pair!r}.")
    return dict(pair.rsplit("=", 1) for pair in pairs)


async def _import(given: argparse.Namespace, settings: Settings, source: Source, refused: RefusedWriter) -> Tally:
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
        source=given.source,
        role=given.role,
        create_groups=not given.no_create_groups,
        dry_run=given.dry_run,
        noun=source.noun,
        is_table=source.format == "csv",
    )

    def refuse(row: Any, problems: Any) -> None:
        refused.write(row, problems)
        if refused.count <= SHOWN:
            reasons = "; ".join(f"{problem.field}: {problem.message}" for problem in problems)
            bar.write(f"  refused, {source.noun} {row.number:,}: {reasons}", file=sys.stderr)

    try:
        with tqdm(total=source.total, desc="import", unit=" rows", disable=None) as bar:
            return await import_rows(database, how, source, refuse, bar.update)
    finally:
        hasher.close()
        await database.close()


def _summary(given: argparse.Namespace, tally: Tally, refused: RefusedWriter) -> int:
    words = {"CREATED": "created", "UPDATED": "updated", "UNCHANGED": "unchanged", "FAILED": "refused"}
    told = ", ".join(f"{tally.counts[action]} {word}" for action, word in words.items())
    print(f"{'Dry run, nothing stored: ' if given.dry_run else ''}{told}")
    if refused.count > SHOWN:
        print(f"  … and {refused.count - SHOWN} more refused", file=sys.stderr)
    if refused.count:
        print(f"Refused rows with reasons: {refused.path}. Mend them there and import that file.", file=sys.stderr)
        return 3
    return 0
