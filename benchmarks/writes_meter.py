"""What a piece of work costs: wall time, and the processor time of every process that took part."""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

_TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Cost:
    """Seconds: on the wall, of the program's processor time, of PostgreSQL's."""

    wall: float
    program: float
    server: float

    @property
    def cpu(self) -> float:
        return self.program + self.server


class Meter:
    """Measures the block it is entered for. `program`: the service's process, or None for this one."""

    def __init__(self, program: int | None, server: int | None) -> None:
        self._program = program
        self._server = server
        self.cost = Cost(0, 0, 0)

    def __enter__(self) -> "Meter":
        self._before = self._now()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        after = self._now()
        self.cost = Cost(*(b - a for a, b in zip(self._before, after, strict=True)))

    def _now(self) -> tuple[float, float, float]:
        program = time.process_time() if self._program is None else cpu_of(self._program)
        return time.perf_counter(), program, cpu_of(self._server) if self._server else 0.0


def cpu_of(root: int) -> float:
    """Processor seconds of a process, of those it started, and of those of them that have ended."""
    parents = {}
    spent = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                fields = _fields(entry)
            except (FileNotFoundError, ProcessLookupError):
                continue
            parents[int(entry.name)] = int(fields[1])
            spent[int(entry.name)] = sum(map(int, fields[11:15])) / _TICK
    return sum(seconds for pid, seconds in spent.items() if _is_below(pid, root, parents))


def _fields(entry: Path) -> Sequence[str]:
    """Of /proc/PID/stat, from the state on: the name before it may hold anything."""
    return (entry / "stat").read_text().rpartition(")")[2].split()


def _is_below(pid: int, root: int, parents: dict[int, int]) -> bool:
    while pid and pid != root:
        pid = parents.get(pid, 0)
    return pid == root
