"""A saved report as a question to be asked: found as its viewer may see it, its variables filled in."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from graph.context import Context
from graph.documents import RequestError
from graph.errors import coded
from graph.executor import Answer, Engine
from graph.report_documents import the_query
from graph.report_variables import BadVariable, of_texts, settled
from models.errors import Invalid
from models.values import now

_PLAIN = re.compile(r"[\w-]{1,100}", re.ASCII)  # whatever else is no report's name
FIND = "query FindReport($name: String!) { savedReport(name: $name) { name document variables } }"


@dataclass(frozen=True)
class Question:
    """What is executed, with the rights of who asks and of nobody else."""

    name: str
    document: str
    variables: dict[str, Any]


async def question(
    engine: Engine, context: Context, name: str, given: Iterable[tuple[str, str]] | Mapping[str, Any]
) -> Question | Answer:
    """The report of this name with its own values and those given, as JSON or as texts of an address.

    An Answer where it cannot be asked.
    """
    if not _PLAIN.fullmatch(name):
        return _absent(name)
    found = await engine.execute(context, FIND, {"name": name}, None, read_only=True)
    if found.errors:
        return found
    report = found.data["savedReport"]
    if report is None:
        return _absent(name)
    try:
        operation = the_query(await engine.documents.prepare(report["document"], lambda names: None))
        values = given if isinstance(given, Mapping) else of_texts(engine.schema, operation, given)
    except RequestError as refused:  # the schema has changed since it was saved
        return Answer(errors=refused.errors)
    except (BadVariable, Invalid) as refused:
        return Answer(errors=[coded(str(refused), "BAD_USER_INPUT")])
    variables = settled(engine.schema, operation, {**report["variables"], **values}, now())
    return Question(report["name"], report["document"], variables)


def _absent(name: str) -> Answer:
    shown = name[:100].encode("ascii", "backslashreplace").decode()
    return Answer(errors=[coded(f"There is no report {shown}, or none that you may see.", "NOT_FOUND")])
