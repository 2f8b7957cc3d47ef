"""Variables of reports: values read from texts by the declared type, and moments that are so long ago."""

from datetime import UTC, datetime
from typing import Any

import pytest
from graphql import OperationDefinitionNode, build_schema, parse

from graph.report_variables import BadVariable, of_texts, settled

SCHEMA = build_schema(
    """scalar DateTime scalar JSON enum Color { RED BLUE } input Where { name: String }
    type Query { a(i: Int, f: Float, id: ID): Int }"""
)
DECLARED = (
    "query($s: String!, $id: ID, $i: Int!, $f: Float, $b: Boolean, $c: Color, $d: DateTime, $w: Where, $j: JSON,"
    " $is: [Int!]!, $cs: [Color], $ws: [Where], $lists: [[Int]]) { a }"
)
NOW = datetime(2026, 3, 1, 12, 30, 15, 250_000, tzinfo=UTC)


def operation(text: str = DECLARED) -> OperationDefinitionNode:
    found = parse(text).definitions[0]
    assert isinstance(found, OperationDefinitionNode)
    return found


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("s", "007", "007"),
        ("s", "", ""),
        ("s", "true", "true"),
        ("id", "12", "12"),
        ("i", "-12", -12),
        ("i", "1.5", 1.5),
        ("i", "twelve", "twelve"),
        ("i", "1_000", "1_000"),
        ("i", "\u0661", "\u0661"),
        ("i", "9" * 400, "9" * 400),
        ("f", "0.25", 0.25),
        ("f", "1e3", 1000.0),
        ("f", "nan", "nan"),
        ("b", "true", True),
        ("b", "FALSE", False),
        ("b", "1", "1"),
        ("b", "", None),
        ("c", "RED", "RED"),
        ("d", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
        ("d", "2026-01-01T00:00:00 02:00", "2026-01-01T00:00:00+02:00"),
        ("d", "-P90D", "-P90D"),
        ("w", '{"name": "x"}', {"name": "x"}),
        ("j", "[1, null]", [1, None]),
        ("is", "1", [1]),
        ("is", "[1, 2]", [1, 2]),
        ("is", "", [None]),
        ("cs", "RED", ["RED"]),
        ("ws", '{"name": "x"}', [{"name": "x"}]),
        ("lists", "[[1], [2]]", [[1], [2]]),
        ("lists", "1", [1]),
    ],
)
def test_a_text_is_read_as_its_variable_is_declared(name: str, text: str, value: Any) -> None:
    found = of_texts(SCHEMA, operation(), [(name, text)])
    assert found == {name: value}
    assert type(found[name]) is type(value)


def test_a_list_may_be_given_one_by_one() -> None:
    given = [("cs", "RED"), ("i", "1"), ("cs", "BLUE"), ("is", "[1, 2]"), ("is", "3")]
    assert of_texts(SCHEMA, operation(), given) == {"cs": ["RED", "BLUE"], "i": 1, "is": [1, 2, 3]}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([("since", "x")], "no variable since. It takes b, c, cs, d, f, i, id, is, j, lists, s, w, ws."),
        ([("i", "1"), ("i", "2")], "i is given twice"),
        ([("w", "{name: x}")], "w is JSON, which this is not"),
        ([("j", "[" * 5_000)], "j is JSON, which this is not"),
        ([("s", "a\x00b")], "NUL or half a character in s"),
        ([("s", "a\udc80b")], "NUL or half a character in s"),
    ],
)
def test_what_no_variable_can_have_is_refused_by_name(given: list[tuple[str, str]], said: str) -> None:
    with pytest.raises(BadVariable, match=said):
        of_texts(SCHEMA, operation(), given)


def test_a_report_without_variables_takes_none() -> None:
    with pytest.raises(BadVariable, match="It takes none"):
        of_texts(SCHEMA, operation("{ a }"), [("i", "1")])


@pytest.mark.parametrize(
    ("ago", "moment"),
    [
        ("-P90D", "2025-12-01T12:30:15.250000Z"),
        ("-P1D", "2026-02-28T12:30:15.250000Z"),
        ("-P2W", "2026-02-15T12:30:15.250000Z"),
        ("-PT36H", "2026-02-28T00:30:15.250000Z"),
        ("-P1DT12H", "2026-02-28T00:30:15.250000Z"),
        ("-P0D", "2026-03-01T12:30:15.250000Z"),
    ],
)
def test_a_moment_may_be_so_long_ago(ago: str, moment: str) -> None:
    assert settled(SCHEMA, operation(), {"d": ago}, NOW) == {"d": moment}
    required = operation("query($d: DateTime!) { a }")
    assert settled(SCHEMA, required, {"d": ago}, NOW) == {"d": moment}
    assert settled(SCHEMA, operation(), {"s": ago, "w": {"name": ago}}, NOW) == {"s": ago, "w": {"name": ago}}


@pytest.mark.parametrize("text", ["-P", "-PT", "P90D", "-P1Y", "-P1M", "-P1.5D", "-P999999D", "-p1d", "-P1D ", "", 7])
def test_what_is_no_length_of_time_is_left_to_the_type(text: Any) -> None:
    assert settled(SCHEMA, operation(), {"d": text}, NOW) == {"d": text}


def test_the_longest_time_ago_is_a_moment_still() -> None:
    for ago in ("-P99999W", "-P99999DT999999H"):
        assert settled(SCHEMA, operation(), {"d": ago}, NOW)["d"].endswith("Z")
