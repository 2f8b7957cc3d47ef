"""An LDAP server that runs as a process of the tests: started once, asked until it answers, ended with its folder."""

import atexit
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from resolvers.connectors.ldap_server import LdapServer
from resolvers.connectors.ldap_session import ANYTHING


class NoServer(Exception):
    """No server could be started; the message says why."""


def free_ports(count: int) -> list[int]:
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(probe.getsockname()[1]) for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def require_root(name: str) -> None:
    if os.getuid() != 0:
        raise NoServer(f"{name} needs root")


def require_files(package: str, *paths: str) -> None:
    missing = [path for path in paths if not Path(path).exists()]
    if missing:
        raise NoServer(f"{missing[0]} is missing; install it: apt-get install {package}")


class LdapProcess:
    """A server on free ports of 127.0.0.1. A subclass sets `base_dn`, `admin_dn`, `admin_password` and starts it."""

    base_dn: str
    admin_dn: str
    admin_password: str
    start_timeout = 60.0  # seconds
    client_environment: Mapping[str, str] = {}

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=f"usergraph-{type(self).__name__.lower()}-"))
        self.process: subprocess.Popen[bytes] | None = None
        self.port = 0
        atexit.register(self.stop)

    @property
    def url(self) -> str:
        return f"ldap://127.0.0.1:{self.port}"

    @property
    def client_url(self) -> str:
        """Where the administrator's commands go."""
        return self.url

    def start(self, command: Sequence[str], **more: Any) -> None:
        """Start the process and return as soon as it answers. Raises NoServer."""
        with open(self.folder / "output", "ab") as output:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True, **more
            )
        deadline = time.monotonic() + self.start_timeout
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop(keep_folder=True)
                raise NoServer(f"{command[0]} did not start: {self._output()}")
            time.sleep(0.1)

    def _output(self) -> str:
        return (self.folder / "output").read_text(errors="replace")[-2_000:]

    def _answers(self) -> bool:
        command = ["ldapsearch", "-x", "-LLL", "-o", "nettimeout=5", "-H", self.url, "-s", "base", "-b", "", "1.1"]
        try:
            return subprocess.run(command, capture_output=True, timeout=30).returncode == 0
        except subprocess.TimeoutExpired:
            return False

    def add(self, ldif: str) -> None:
        self._client("ldapadd", [], ldif)

    def modify(self, ldif: str) -> None:
        self._client("ldapmodify", [], ldif)

    def delete(self, *dns: str) -> None:
        self._client("ldapdelete", list(dns), "")

    def read(self, base: str, scope: str, *attributes: str) -> list[str]:
        """The lines of LDIF of a search for all entries."""
        text = self._client(
            "ldapsearch", ["-LLL", "-o", "ldif-wrap=no", "-b", base, "-s", scope, ANYTHING, *attributes], ""
        )
        return text.splitlines()

    def clear(self, base: str) -> None:
        """Delete everything that is one level below an entry."""
        dns = [line.removeprefix("dn: ") for line in self.read(base, "one", "1.1") if line.startswith("dn: ")]
        if dns:
            self.delete(*dns)

    def _client(self, program: str, arguments: Sequence[str], text: str) -> str:
        login = ["-x", "-H", self.client_url, "-D", self.admin_dn, "-w", self.admin_password]
        environment = {**os.environ, **self.client_environment}
        command = [program, *login, *arguments]
        done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=60, env=environment)
        if done.returncode:
            raise RuntimeError(f"{program} failed: {(done.stderr or done.stdout).strip()[-500:]}")
        return done.stdout

    def server(self, **more: Any) -> LdapServer:
        """How the product reaches it; subclasses say as which account and with which attributes."""
        given: dict[str, Any] = {"name": "test", "urls": (self.url,), "base_dn": self.base_dn, "is_start_tls": False}
        return LdapServer(**{**given, **more})

    def stop(self, *, keep_folder: bool = False) -> None:
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)  # nothing of it is kept, so nothing has to be written
            self.process.wait()
        if not keep_folder:
            shutil.rmtree(self.folder, ignore_errors=True)
