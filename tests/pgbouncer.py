"""A pgbouncer for the tests, which lends PostgreSQL's connections for one transaction at a time."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from tests.postgres import Server, end, owner

CONFIGURATION = """
[databases]
* = host=127.0.0.1 port={server} user=usergraph

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = {mode}
server_round_robin = {round_robin}
default_pool_size = {size}
max_client_conn = 200
server_login_retry = 1
query_wait_timeout = 20
logfile = {folder}/log
"""


class NoPgbouncer(Exception):
    """None could be started; the message says what was looked for."""


class Pgbouncer:
    """On a free port of 127.0.0.1, in front of a server of the tests, with few connections to it."""

    def __init__(self, server: Server, size: int = 3, mode: str = "transaction", *, round_robin: bool = False) -> None:
        program = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
        if program is None:
            raise NoPgbouncer("no pgbouncer on PATH; Debian has it as a package of this name")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self._folder = Path(tempfile.mkdtemp(prefix="usergraph-pgbouncer-"))
        file = self._folder / "pgbouncer.ini"
        options = {"size": size, "mode": mode, "round_robin": int(round_robin), "folder": self._folder}
        file.write_text(CONFIGURATION.format(server=server.port, port=self.port, **options))
        user = owner()
        for path in (self._folder, file):
            if user:
                shutil.chown(path, user)
        self.process = subprocess.Popen([program, "-q", file], user=user, cwd=self._folder)
        self._wait()

    def url(self, database: str) -> str:
        return f"postgres://usergraph@127.0.0.1:{self.port}/{database}"

    def _wait(self) -> None:
        end = time.monotonic() + 20
        while time.monotonic() < end:
            try:
                socket.create_connection(("127.0.0.1", self.port), 2).close()
            except OSError:
                if self.process.poll() is not None:
                    break
                time.sleep(0.05)
            else:
                return
        log = self._folder / "log"
        raise NoPgbouncer(f"pgbouncer does not answer: {log.read_text()[-300:] if log.exists() else 'it said nothing'}")

    def stop(self) -> None:
        end(self.process)
        shutil.rmtree(self._folder, ignore_errors=True)
