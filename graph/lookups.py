"""Rows by keys and by ids, also by ids that name a time: those are read as of then, in a statement for each time."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from graph.levels import Child, Level
from graph.runs import Run
from models.database import Record, Steps
from models.dialects import Dialect
from resolvers import history, user_keys
from resolvers.filters import number_of
from resolvers.node_ids import split_id


@dataclass
class LookupChild(Child):
    """Keys of several kinds are one condition, and so one statement; what they matched is read with the rows."""

    level: Level
    argued: int
    many: bool
    ids: Callable[[Dialect, Mapping[str, Any]], Steps[list[int | None]]] | None = None

    def expression(self, number: int) -> str:
        return f"c{number}" if self.many else f"c{number}[0]"

    def load(self, run: Run, rows: Sequence[Record]) -> Steps[list[Any]]:
        arguments = run.arguments[self.argued]
        if self.ids is not None:
            ids = yield from self.ids(run.dialect, arguments)
        else:
            keys = [next(iter(key.items())) for key in (arguments["keys"] if self.many else [arguments["by"]])]
            return (yield from self._by_keys(run, keys))
        wanted = [number for number in ids if number is not None]
        found = (yield from self.level.of_ids(run, wanted)) if wanted else {}
        return [None if number is None else found.get(number) for number in ids]

    def _by_keys(self, run: Run, keys: Sequence[tuple[str, str]]) -> Steps[list[Any]]:
        """Ids of rows as of a time are read as of then, in a statement for each time."""
        split = [(kind, *(split_id(text) if kind == "id" else (text, None))) for kind, text in keys]
        ids = yield from user_keys.ids_by_keys(run.dialect, [(kind, text) for kind, text, _ in split])
        named = [(number, as_of) for number, (_, _, as_of) in zip(ids, split, strict=True)]
        found: dict[datetime | None, dict[int, Any]] = {}
        for time in dict.fromkeys(as_of for _, as_of in named):
            wanted = [number for number, as_of in named if number is not None and as_of == time]
            found[time] = (yield from run.at(time, self.level.of_ids(run, wanted))) if wanted else {}
        return [None if number is None else found[as_of].get(number) for number, as_of in named]


@dataclass
class NodesChild(Child):
    """Typed ids of any types: a statement for each type among them."""

    levels: Mapping[str, Level]
    place: int
    argued: int | None
    many: bool

    def expression(self, number: int) -> str:
        if self.argued is None:
            return f"c{number}.get(r[{self.place}])"
        return f"c{number}" if self.many else f"c{number}[0]"

    def load(self, run: Run, rows: Sequence[Record]) -> Steps[Any]:
        if self.argued is None:
            return (yield from self._found(run, self.keys(rows)))
        arguments = run.arguments[self.argued]
        typed = arguments["ids"] if self.many else [arguments["id"]]
        found = yield from self._found(run, typed)
        return [found.get(each) for each in typed]

    def _found(self, run: Run, typed: Sequence[str]) -> Steps[dict[str, Any]]:
        found: dict[str, Any] = {}
        stable: dict[datetime | None, dict[str, str]] = {}
        for each in typed:
            base, as_of = split_id(each)
            stable.setdefault(as_of, {})[each] = base
        for time, bases in stable.items():
            found |= yield from run.at(time, self._of_one_time(run, bases, is_past=time is not None))
        return found

    def _of_one_time(self, run: Run, bases: Mapping[str, str], *, is_past: bool) -> Steps[dict[str, Any]]:
        """The rows by the ids as they were sent. Of what is not recorded there is no past."""
        found: dict[str, Any] = {}
        for prefix, level in self.levels.items():
            source = level.selected.source
            if is_past and not (source is not None and history.is_recorded(source)):
                continue
            numbers = {each: n for each, base in bases.items() if (n := number_of(prefix, base)) is not None}
            if numbers:
                shaped = yield from level.of_ids(run, list(dict.fromkeys(numbers.values())))
                found |= {each: shaped[number] for each, number in numbers.items() if number in shaped}
        return found
