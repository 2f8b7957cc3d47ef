"""`usergraph import` of very many rows: how quickly, in how much memory, and how others read meanwhile."""

import os
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks import load, processes, tools, writes_rows
from benchmarks.load import Latency, Shot
from benchmarks.tools import WORK, BenchError

RATE = 40  # pages a second, a small part of what the service can
SECONDS = 10


@dataclass(frozen=True)
class Imported:
    """Seconds, and megabytes at the most."""

    rows: int
    wall: float
    cpu: float
    peak: float


@dataclass(frozen=True)
class Reading:
    """A page of 20 with nothing else to do, and while an import runs."""

    idle: Latency
    busy: Latency


class Import:
    """A running import."""

    def __init__(self, settings: Mapping[str, str], batch: str, rows: int) -> None:
        self._file = WORK / "writes" / f"{batch}.csv"
        self._rows = rows
        writes_rows.write_csv(self._file, batch, rows)
        self._log = self._file.with_suffix(".log").open("wb")
        self._start = time.perf_counter()
        self._process = subprocess.Popen(
            [tools.usergraph(), "import", str(self._file)],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            env=settings,
        )

    @property
    def is_running(self) -> bool:
        """Without reaping it: what it took is told only once."""
        return os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None

    def finish(self) -> Imported:
        peak = 0.0
        while self.is_running:
            # What wait4 tells includes the memory of the process that this one was forked from.
            peak = max(peak, processes.memory(self._process.pid, "VmHWM"))
            time.sleep(0.1)
        _, status, used = os.wait4(self._process.pid, 0)
        wall = time.perf_counter() - self._start
        self._process.returncode = os.waitstatus_to_exitcode(status)
        self._log.close()
        said = Path(self._log.name).read_text(errors="replace")
        if self._process.returncode or f"{self._rows} created" not in said:
            raise BenchError(f"The import did not go well. It said:\n{said[-1000:]}")
        return Imported(self._rows, wall, used.ru_utime + used.ru_stime, peak)

    def stop(self) -> None:
        if self._process.returncode is None:
            self._process.kill()
            self._process.wait()


def imported(settings: Mapping[str, str], batch: str, rows: int) -> Imported:
    running = Import(settings, batch, rows)
    try:
        return running.finish()
    finally:
        running.stop()


def read_meanwhile(
    settings: Mapping[str, str], batch: str, rows: int, shot: Shot, note: Callable[[str], None]
) -> tuple[Imported, Reading]:
    """An import with somebody reading. The pages under it are asked for while it runs, and only then."""
    load.warm_up(shot, 1)
    idle = load.latency(shot, RATE, SECONDS)
    running = Import(settings, batch, rows)
    try:
        time.sleep(2)  # the file is looked through first
        busy = load.latency(shot, RATE, SECONDS)
        if not running.is_running:
            note("the import ended before the pages were read: send more rows")
        return running.finish(), Reading(idle, busy)
    finally:
        running.stop()
