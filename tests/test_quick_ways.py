"""Quick ways for what most values are, which must answer as the thorough ways do for all of them."""

import unicodedata
from typing import Any

import pytest
from email_validator import EmailNotValidError, validate_email
from graphql import GraphQLInputObjectType, GraphQLList, GraphQLNonNull, OperationDefinitionNode, parse
from graphql.execution.values import get_variable_values
from hypothesis import example, given, settings
from hypothesis import strategies as st

from graph import schema
from graph.variables import Variables
from models import values
from models.errors import Refusal

WORDS = (
    "a B o'neil x.y .. . - _ + test TEST example com Org xn--mnchen-3ya 1 info POSTMASTER local localhost arpa onion"
)
RARE = (
    "ab--cd",
    "#",
    "[1.2.3.4]",
    "@",
    "a" * 63,
    "a" * 64,
    "\u00e9",
    "m\u00fcnchen",
    "\u00df",
    '"',
    "<",
    ">",
    " ",
    "\\",
)
PARTS = st.sampled_from([*WORDS.split(), *RARE])
PIECE = st.lists(PARTS, min_size=1, max_size=5).map("".join)
ADDRESS = st.tuples(PIECE, st.lists(PIECE, min_size=1, max_size=3).map(".".join)).map("@".join) | st.emails()


def _thorough(text: str) -> tuple[str, str] | str:
    """An address by the library alone."""
    try:
        kept = values.clean(text, what="The email address", limit=320)
        valid = validate_email(kept, check_deliverability=False, test_environment=True)
    except (Refusal, EmailNotValidError) as error:
        return str(error)
    return kept, f"{values.key(valid.local_part)}@{(valid.ascii_domain or valid.domain).casefold()}"


def _quick(text: str) -> tuple[str, str] | str:
    try:
        return values.email(text)
    except Refusal as refusal:
        return refusal.message.removeprefix("This is not an email address: ")


@given(ADDRESS)
@example(f"{'a' * 64}@{'b' * 60}.{'c' * 60}.{'d' * 60}.com")
@example(f"{'a' * 66}@{'b' * 60}.{'c' * 60}.{'d' * 60}.com")
@example("a@1.2")
@example("a@x.test")
@settings(max_examples=300, deadline=None)
def test_an_address_is_what_the_library_says(text: str) -> None:
    expected = _thorough(text)
    for _ in range(2):  # the second time its domain is known
        assert _quick(text) == expected


@given(st.text(st.characters(max_codepoint=0x250), max_size=20) | st.text(max_size=20))
@settings(max_examples=300, deadline=None)
def test_a_normal_form_of_ascii_is_that_of_unicode(text: str) -> None:
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    assert values.key(text) == " ".join(folded.split())


@given(st.text(st.characters(max_codepoint=0x250, exclude_categories=["Cs"]), max_size=12))
@settings(max_examples=300, deadline=None)
def test_a_plain_text_is_kept_by_the_same_rules(text: str) -> None:
    kept = text.strip()
    normal = values.key(kept)
    unseen = any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") or c in "\u00ad\u034f" for c in kept)
    is_good = bool(normal) and len(kept) <= 10 and len(normal) <= 10 and not unseen
    try:
        assert values.clean(text, what="It", limit=10) == unicodedata.normalize("NFC", kept)
    except Refusal:
        assert not is_good
    else:
        assert is_good


SCHEMA = schema.built()
VARIABLES = Variables(SCHEMA)
BULK = ("InviteUserInput", "UpsertUserInput", "UpsertUsersInput", "ConvertUsersInput", "UserWhere")


def _shaped(type_: Any, depth: int = 0) -> st.SearchStrategy[Any]:
    """Values of an input type, and now and then something else."""
    if isinstance(type_, GraphQLNonNull):
        return _shaped(type_.of_type, depth)
    odd = st.sampled_from([None, 1, "x", [], {}, True, 1.5])
    if isinstance(type_, GraphQLList):
        return st.one_of(st.lists(_shaped(type_.of_type, depth), max_size=2), odd)
    if isinstance(type_, GraphQLInputObjectType):
        if depth > 2:
            return odd
        fields = {name: _shaped(field.type, depth + 1) for name, field in type_.fields.items()}
        required = {name for name, field in type_.fields.items() if isinstance(field.type, GraphQLNonNull)}
        exact = st.fixed_dictionaries(
            {name: fields[name] for name in required},
            optional={name: each for name, each in fields.items() if name not in required},
        )
        return st.one_of(exact, exact, exact.map(lambda given: {**given, "unknown": 1}), odd)
    if hasattr(type_, "values"):
        return st.one_of(st.sampled_from(list(type_.values)), odd)
    return st.one_of(st.text(max_size=3), st.booleans(), odd)


@pytest.mark.parametrize("name", BULK)
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_variables_are_coerced_as_graphql_core_coerces_them(name: str, data: st.DataObject) -> None:
    operation = parse(f"query ($input: {name}, $more: [{name}!]) {{ __typename }}").definitions[0]
    assert isinstance(operation, OperationDefinitionNode)
    shaped = _shaped(SCHEMA.type_map[name])
    given = data.draw(st.fixed_dictionaries({}, optional={"input": shaped, "more": st.lists(shaped, max_size=2)}))
    expected = get_variable_values(SCHEMA, operation.variable_definitions or (), given, max_errors=20)
    found = VARIABLES.coerced(operation, given, 20)
    if isinstance(expected, list):
        assert isinstance(found, list)
        assert [error.message for error in found] == [error.message for error in expected]
        return
    assert not isinstance(found, list)
    assert found.coerced == expected.coerced
    assert repr(found.coerced) == repr(expected.coerced)  # in the same order
    assert {name: source.value for name, source in found.sources.items()} == {
        name: source.value for name, source in expected.sources.items()
    }


def test_bulk_inputs_go_the_quick_way() -> None:
    for name in ("InviteUsersInput", "UpsertUsersInput"):
        assert VARIABLES._of(SCHEMA.type_map[name]) is not None  # type: ignore[arg-type]
