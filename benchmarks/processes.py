"""Servers as child processes: started, waited for, and ended by their own id whatever happens."""

import contextlib
import http.client
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks.tools import HOST, BenchError

START_SECONDS = 60
END_SECONDS = 15


@contextlib.contextmanager
def running(
    name: str,
    command: Sequence[str | Path],
    log: Path,
    answers: Callable[[], bool],
    *,
    environment: Mapping[str, str] | None = None,
    user: str | None = None,
    stop: signal.Signals = signal.SIGTERM,
) -> Iterator["subprocess.Popen[bytes]"]:
    """The process while the block runs, from its first answer on. Raises BenchError with the end of its log."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as out:
        # A group of its own: Ctrl-C reaches this program alone, which then ends the servers in order.
        process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            env={**os.environ, **(environment or {})},
            cwd=log.parent,
            user=user,
            start_new_session=True,
        )
    try:
        _wait(name, process, log, answers)
        yield process
    finally:
        end(process, stop)


def _wait(name: str, process: "subprocess.Popen[bytes]", log: Path, answers: Callable[[], bool]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not answers():
        if process.poll() is not None or time.monotonic() > deadline:
            said = log.read_text(errors="replace").strip()[-2000:]
            raise BenchError(f"{name} did not start. It said:\n{said}")
        time.sleep(0.1)


def end(process: "subprocess.Popen[bytes]", stop: signal.Signals) -> None:
    if process.poll() is not None:
        return
    process.send_signal(stop)
    try:
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def memory(pid: int, what: str) -> float:
    """Megabytes of a process: VmRSS now, VmHWM at the most (proc(5)); 0 where it has ended."""
    found = re.search(rf"^{what}:\s*(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return int(found[1]) / 1024 if found else 0.0


def listens(port: int, path: str, body: bytes, headers: Mapping[str, str]) -> bool:
    """Whether a server answers this request with status 200."""
    try:
        return post(port, path, body, headers)[0] == 200
    except (OSError, http.client.HTTPException):
        return False


def post(port: int, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(HOST, port, timeout=120)
    try:
        connection.request("POST", path, body, {"content-type": "application/json", **headers})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()
