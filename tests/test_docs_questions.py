"""The ten questions of docs/analysts.md, their answers held against plain Python over many people."""

import re
from typing import Any

import pytest
from graphql import FieldNode, OperationDefinitionNode, parse, value_from_ast_untyped

from tests.reporting import furnish
from tests.reports_oracle import Oracle, answer
from tests.service import Service
from tests.test_docs import ROOT

PAGE = (ROOT / "docs" / "analysts.md").read_text(encoding="utf-8")
QUESTIONS = dict(re.findall(r"^\*\*(\d+\. [^*]+)\*\*.*?^```graphql\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))


def test_there_are_ten() -> None:
    assert [int(each.split(".")[0]) for each in QUESTIONS] == list(range(1, 11))


def arguments(document: str) -> dict[str, Any]:
    """What `userReport` is asked, with the defaults of the document's variables."""
    (operation,) = parse(document).definitions
    assert isinstance(operation, OperationDefinitionNode)
    (field,) = operation.selection_set.selections
    assert isinstance(field, FieldNode)
    defaults = {
        each.variable.name.value: value_from_ast_untyped(each.default_value)
        for each in operation.variable_definitions or ()
        if each.default_value is not None
    }
    return {each.name.value: value_from_ast_untyped(each.value, defaults) for each in field.arguments or ()}


def furnished(rows: list[dict[str, Any]]) -> bool:
    """Whether there is something to be wrong about: several rows, and more than one value in some column of them."""
    return len(rows) > 1 and any(len({str(row[name]) for row in rows}) > 1 for name in rows[0])


@pytest.mark.parametrize("question", QUESTIONS)
async def test_each_answers_as_plain_python_does(service: Service, question: str) -> None:
    await furnish(service)
    document = QUESTIONS[question]
    found = (await service.data(document))["userReport"]
    asked = arguments(document)
    expected = await answer(service, await Oracle.of(service, "admin"), asked, "admin")
    assert found["rows"] == expected["rows"]
    assert {name: found[name] for name in ("total", "hasMore") if name in found}.items() <= expected.items()
    assert furnished(found["rows"])
    assert [column["name"] for column in found["columns"]] == list(found["rows"][0])
