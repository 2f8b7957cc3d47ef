"""The command `usergraph serve`: the database is made ready once, then one process serves, or several on one port."""

import argparse
import asyncio
import dataclasses
import logging
import multiprocessing
import os
import signal
import socket
import tempfile
import threading
import time
from functools import partial
from types import FrameType
from typing import Any

import uvicorn
from prometheus_client.multiprocess import mark_process_dead
from starlette.applications import Starlette
from tqdm import tqdm
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from graph import collector, logs
from graph.listening import require_free_port
from graph.protocol import BoundedConfig
from models import migrate
from models.database import Database
from models.errors import NotFound
from models.settings import BadSetting, Settings, parse
from resolvers import bootstrap, demo, references

log = logging.getLogger("usergraph")

DEMO_USERS = 300
DESCRIPTION = (
    "Brings the database up to date and serves GraphQL and GraphiQL. Settings are environment variables. It listens on"
    f" USERGRAPH_HOST ({Settings.host}) and USERGRAPH_PORT ({Settings.port}), and stores its data in"
    f" USERGRAPH_DATABASE_URL ({Settings.database_url}). README.md describes all settings, under “Settings”."
)
GRACE = 8  # seconds for what is in flight, of the ten within which everything has ended
PATIENCE = 9.5  # seconds until a worker that was told to end is killed
HEALTH = 10  # seconds until a worker that does not answer its supervisor is killed and replaced
STARTING = 60  # the same while all start at once, on a machine that may be busy


def add_serve(commands: Any) -> None:
    parser: argparse.ArgumentParser = commands.add_parser(
        "serve", help="serve GraphQL and GraphiQL; migrates the database first", description=DESCRIPTION
    )
    parser.add_argument("--demo", action="store_true", help="fill an empty database with a demo directory")
    parser.add_argument("--workers", type=_workers, metavar="N", help="processes on this port (USERGRAPH_WORKERS)")
    parser.set_defaults(run=run_serve)


def _workers(text: str) -> int:
    try:
        return int(parse("workers", text))
    except BadSetting as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def run_serve(given: argparse.Namespace, settings: Settings) -> int:
    settings = dataclasses.replace(settings, workers=given.workers or settings.workers)
    app = _application(settings)  # refuses bad settings before anything is made
    require_free_port(settings.host, settings.port)
    key, _ = asyncio.run(ready(settings, DEMO_USERS if given.demo else 0))
    if key is not None:
        print(f"The administrator's API key, shown this once:  {key}", flush=True)
        print("Send it as X-ApiKey. Lost it?  usergraph admin key admin", flush=True)
    address = f"http://{settings.host}:{settings.port}/graphql"
    processes = f", {settings.workers} processes" if settings.workers > 1 else ""
    print(f"usergraph serves {address}  (GraphiQL in a browser, GraphQL for programs{processes})", flush=True)
    try:
        if settings.workers > 1:
            return _supervise(settings)
        OneProcess(_config(settings, app)).run()
    except SystemExit:  # uvicorn has said why, such as a port in use
        return 1
    return 0


def _supervise(settings: Settings) -> int:
    with tempfile.TemporaryDirectory(prefix="usergraph-metrics-", ignore_cleanup_errors=True) as figures:
        os.putenv("PROMETHEUS_MULTIPROC_DIR", figures)  # for the processes that are started from here on
        config = _config(settings, partial(_worker, settings, figures), factory=True)
        supervisor = Supervisor(config, [config.bind_socket()], figures)
        supervisor.run()
    return 1 if STARTUP_FAILURE in [process.exitcode for process in supervisor.processes] else 0


def _config(settings: Settings, app: Any, *, factory: bool = False) -> BoundedConfig:
    return BoundedConfig(
        app,
        factory=factory,
        read_seconds=settings.read_seconds,
        host=settings.host,
        port=settings.port,
        workers=settings.workers,
        log_level=settings.log_level,
        log_config=logs.configuration(settings),
        access_log=False,
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE,
        timeout_worker_healthcheck=HEALTH,
        limit_concurrency=500,
        server_header=False,
    )


def _application(settings: Settings, **given: Any) -> Starlette:
    from graph.app import create_app  # the schema takes a second to make, which only serving needs

    logs.configure(settings)
    app = create_app(settings, **given)
    collector.settle()
    return app


def _worker(settings: Settings, figures: str) -> Starlette:
    """The application of one process of several. It may start again while the database is away, and then waits."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    return _application(settings, patient=True, shared=figures)


def _end_with_parent() -> None:
    """A supervisor that was killed tells nobody; without it a worker would hold the port for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)


class OneProcess(uvicorn.Server):
    """uvicorn's own, but that it ends in time whatever it waits for, such as a database that hangs."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        threading.Thread(target=self._end_in_time, daemon=True).start()
        super().handle_exit(sig, frame)

    def _end_in_time(self) -> None:
        """What was not committed is rolled back by the database, as after any death."""
        time.sleep(PATIENCE)
        log.error("what is in flight does not end: the process ends without it")
        logging.shutdown()
        os._exit(1)


class Supervisor(Multiprocess):
    """uvicorn's own, which gives its workers time to start, and takes nothing new and waits for none once it stops.

    `figures` is the folder where they keep what `/metrics` tells; those of a process that died are not its state.
    """

    def __init__(self, config: uvicorn.Config, sockets: list[socket.socket], figures: str) -> None:
        super().__init__(config, sockets)
        self._figures = figures
        self._alive: set[int | None] = set()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._told_to_end)

    def _told_to_end(self, number: int, _: object) -> None:
        """uvicorn looks at its queue between two rounds, and a round waits long for a worker that hangs."""
        self.signal_queue.append(signal.Signals(number))
        threading.Thread(target=self._end_in_time, daemon=True).start()

    def _end_in_time(self) -> None:
        self.should_exit.set()
        for process in self.processes:
            process.process.terminate()
        time.sleep(PATIENCE)
        for process in self.processes:
            process.process.kill()

    def keep_subprocess_alive(self) -> None:
        self._alive |= {process.pid for process in self.processes}
        super().keep_subprocess_alive()
        alive = {process.pid for process in self.processes}
        for pid in self._alive - alive:
            mark_process_dead(pid, self._figures)  # type: ignore[no-untyped-call]
        self._alive = alive

    def init_processes(self) -> None:
        super().init_processes()
        end = time.monotonic() + STARTING
        for process in self.processes:
            while process.process.is_alive() and not process.ping(timeout=1):
                if self.signal_queue or time.monotonic() > end:
                    return

    def terminate_all(self) -> None:
        for listening in self.sockets:
            listening.close()
        super().terminate_all()

    def join_all(self) -> None:
        end = time.monotonic() + PATIENCE
        for process in self.processes:
            process.process.join(max(0.0, end - time.monotonic()))
            if process.process.is_alive():
                process.process.kill()
        super().join_all()


async def ready(settings: Settings, demo_users: int) -> tuple[str | None, bool]:
    """An up-to-date database with an administrator: their key, to be told this once, and whether it was empty."""
    await migrate.bring_up_to_date(settings.database_url, prepare=settings.database_prepare)
    database = Database.of(settings)
    await database.open()
    try:
        key = await database.transaction(lambda tx: bootstrap.fill_empty(tx, settings.admin_key))
        await _check_default_role(database, settings)
        if key is not None and demo_users:
            with tqdm(total=demo_users, desc="demo users", unit=" users", disable=None) as bar:
                await demo.fill(database.transaction, demo_users, bar.update)
    finally:
        await database.close()
    return None if settings.admin_key else key, key is not None


async def _check_default_role(database: Database, settings: Settings) -> None:
    async with database.reading() as connection:
        roles = await references.roles(connection)
    try:
        roles.find({"name": settings.default_role})
    except NotFound as error:
        raise BadSetting(f"USERGRAPH_DEFAULT_ROLE: {error}") from error
