"""Reports as they run: one object, whose rows come from one statement, and none where they were not asked for."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from graph.errors import public
from graph.levels import Child, Level, as_rows
from graph.runs import A_ROW, LONG, Run
from models.database import Record, Steps
from models.errors import Refusal

READ = frozenset({"rows", "total", "hasMore"})


@dataclass
class ReportChild(Child):
    """`wanted` are the selected fields; `path` is where the report stands in the answer."""

    level: Level
    argued: int
    answer: Callable[..., Steps[Any]]
    wanted: frozenset[str]
    path: list[str | int]

    def expression(self, number: int) -> str:
        return f"c{number}"

    def load(self, run: Run, rows: Sequence[Record]) -> Steps[dict[str, Any]]:
        question = run.arguments[self.argued]
        record: dict[str, Any] = {"columns": [_told(column) for column in question.columns]}
        if self.wanted & READ:
            total = "total" in self.wanted
            try:
                found = yield from self.answer(run.viewer, run.dialect, question, total=total)
            except Refusal as refusal:
                raise public(refusal, None, self.path) from refusal
            run.spend(len(found.rows) * max(A_ROW, len(question.columns)))
            run.spend(sum(len(text) // LONG for row in found.rows for text in row.values() if isinstance(text, str)))
            record |= {"rows": found.rows, "total": found.total, "hasMore": found.has_more}
        (shaped,) = yield from self.level.run(run, as_rows(self.level, [record]))
        return shaped


def _told(column: Any) -> dict[str, Any]:
    return {
        "name": column.name,
        "title": column.title,
        "kind": column.kind.value,
        "isMeasure": column.is_measure,
    }
