"""The peers: who is asked, and how each is started, once for the whole run."""

import contextlib
import hashlib
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks import processes, tools
from benchmarks.data import ADMIN_KEY, Directory, environment
from benchmarks.questions import Answer, Question
from benchmarks.serving import POOL
from benchmarks.tongues import GraphQL, Handwritten, Plain, PostGraphile, Tongue, Usergraph
from benchmarks.tools import HERE, HOST, ROOT, WORK, BenchError

OURS, OURS_SQLITE = "usergraph, PostgreSQL", "usergraph, SQLite"
POSTGRAPHILE = "PostGraphile, PostgreSQL"
PLAIN = "Strawberry + Tortoise, PostgreSQL"
HAND, HAND_SQLITE = "hand-written SQL, PostgreSQL", "hand-written SQL, SQLite"
NAMES = (OURS, POSTGRAPHILE, PLAIN, HAND, OURS_SQLITE, HAND_SQLITE)

HEADERS = {"x-apikey": ADMIN_KEY}
LOGS = WORK / "logs"
SOURCES = HERE / "postgraphile"
INSTALLED = WORK / "postgraphile"


@dataclass(frozen=True)
class Peer:
    name: str
    port: int
    tongue: Tongue
    headers: Mapping[str, str]

    def body(self, question: Question) -> bytes:
        values = dict(question.values)
        if isinstance(self.tongue, GraphQL) and self.tongue.cursors and "after" in values:
            values["after"] = self.tongue.cursor(self._post("/graphql", self.tongue.cursor_body(values["after"])))
        return self.tongue.body(question, values)

    def path(self, question: Question) -> str:
        return self.tongue.path(question)

    def ask(self, question: Question, body: bytes) -> tuple[Answer, int]:
        """The answer, and the length of its text."""
        text = self._post(self.path(question), body)
        return self.tongue.answer(question, text), len(text)

    def _post(self, path: str, body: bytes) -> bytes:
        status, text = processes.post(self.port, path, body, self.headers)
        if status != 200:
            raise BenchError(f"{self.name} answered with status {status}: {text[:500].decode(errors='replace')}")
        return text


@contextlib.contextmanager
def all_peers(directory: Directory) -> Iterator[list[Peer]]:
    """Every peer, up and answering; all of them end with the block."""
    node = install_postgraphile()
    with contextlib.ExitStack() as stack:
        yield [
            stack.enter_context(_ours(OURS, directory.postgres)),
            stack.enter_context(_postgraphile(node, directory.postgres)),
            stack.enter_context(_python(PLAIN, "benchmarks.plain", directory.postgres, Plain())),
            stack.enter_context(_python(HAND, "benchmarks.handwritten", directory.postgres, Handwritten())),
            stack.enter_context(_ours(OURS_SQLITE, directory.sqlite)),
            stack.enter_context(_python(HAND_SQLITE, "benchmarks.handwritten", directory.sqlite, Handwritten())),
        ]


TYPENAME = ("/graphql", b'{"query": "{ __typename }"}')
FIRST = ("/page", b'{"first": 1}')


@contextlib.contextmanager
def ours(name: str, url: str, log: Path, **settings: object) -> Iterator[tuple[Peer, int]]:
    """usergraph in one process, and the id of that."""
    port = tools.free_port()
    with processes.running(
        name,
        [tools.usergraph(), "serve"],
        log,
        lambda: processes.listens(port, *TYPENAME, HEADERS),
        environment=environment(url, host=HOST, port=port, log_level="warning", **settings),
    ) as process:
        yield Peer(name, port, Usergraph(), HEADERS), process.pid


@contextlib.contextmanager
def _ours(name: str, url: str) -> Iterator[Peer]:
    with ours(name, url, _log(name), max_page=1_000, database_pool=POOL) as (peer, _):
        yield peer


@contextlib.contextmanager
def _postgraphile(node: Path, url: str) -> Iterator[Peer]:
    port = tools.free_port()
    given = {"DATABASE_URL": url, "PORT": str(port), "POOL": str(POOL)}
    with processes.running(
        POSTGRAPHILE,
        [node, INSTALLED / "server.mjs"],
        _log(POSTGRAPHILE),
        lambda: processes.listens(port, *TYPENAME, {}),
        environment=given | {"NODE_ENV": "production", "GRAPHILE_ENV": "production"},
    ):
        yield Peer(POSTGRAPHILE, port, PostGraphile(), {})


@contextlib.contextmanager
def _python(name: str, module: str, url: str, tongue: Tongue) -> Iterator[Peer]:
    port = tools.free_port()
    first = FIRST if isinstance(tongue, Handwritten) else TYPENAME
    with processes.running(
        name,
        [sys.executable, "-m", module, url, str(port)],
        _log(name),
        lambda: processes.listens(port, *first, {}),
        environment={"PYTHONPATH": str(ROOT)},
    ):
        yield Peer(name, port, tongue, {})


def _log(name: str) -> Path:
    return LOGS / f"{name.replace(', ', '-').replace(' ', '-')}.log"


def install_postgraphile() -> Path:
    """PostGraphile by its lock file, into the bench's folder. The node that runs it comes with it."""
    npm = tools.npm()
    machine = {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine())
    if machine is None or sys.platform != "linux":
        raise BenchError("PostGraphile is run by a Node.js 24 from npm, which is locked for Linux on x64 and arm64.")
    node = INSTALLED / "node_modules" / f"node-linux-{machine}" / "bin" / "node"
    wanted = hashlib.sha256((SOURCES / "package-lock.json").read_bytes()).hexdigest()
    stamp = INSTALLED / ".stamp"
    INSTALLED.mkdir(parents=True, exist_ok=True)
    for name in (".npmrc", "package.json", "package-lock.json", "graphile.config.mjs", "server.mjs"):
        shutil.copyfile(SOURCES / name, INSTALLED / name)
    if stamp.is_file() and stamp.read_text() == wanted and node.exists():
        return node
    print("Installing PostGraphile and Node.js 24 into .bench, once …", flush=True)
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(command, cwd=INSTALLED, capture_output=True, text=True, check=False)
    if done.returncode or not node.exists():
        raise BenchError(f"npm could not install PostGraphile:\n{(done.stdout + done.stderr).strip()[-2000:]}")
    stamp.write_text(wanted)
    return node
