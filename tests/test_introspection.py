"""What strangers and error messages are told: the schema if a setting says so, and nothing of the inside, ever."""

from collections.abc import Callable
from typing import Any

import pytest
from graphql import (
    GraphQLSchema,
    build_client_schema,
    get_introspection_query,
    get_named_type,
    is_composite_type,
    is_required_argument,
)

from tests.service import Service

INTROSPECTION = get_introspection_query()
OPEN_TO_STRANGERS = {"acceptInvitation", "invitationByToken", "requestPasswordReset", "resetPassword", "signIn"}


async def schema_of(service: Service, who: str | None = "admin") -> GraphQLSchema:
    return build_client_schema(await service.data(INTROSPECTION, who=who))


async def unauthenticated(service: Service, query: str, **more: Any) -> None:
    """A stranger is refused before anything is read, with nothing but the one message."""
    with service.statements() as statements:
        answer = await service.post({"query": query, **more}, who=None)
    (error,) = answer.json()["errors"]
    assert answer.json() == {"errors": [error]}, query
    message = "Send a valid API key in X-ApiKey (or Authorization: Bearer)."
    assert (answer.status_code, error) == (401, {"message": message, "extensions": {"code": "UNAUTHENTICATED"}})
    assert statements == [], query


def documents(schema: GraphQLSchema) -> dict[str, str]:
    """A valid document for each root field, with its required arguments as variables."""
    found = {}
    for kind, root in (("query", schema.query_type), ("mutation", schema.mutation_type)):
        assert root is not None
        for name, field in root.fields.items():
            needed = {each: argument.type for each, argument in field.args.items() if is_required_argument(argument)}
            declared = f"({', '.join(f'${each}: {type_}' for each, type_ in needed.items())})" if needed else ""
            given = f"({', '.join(f'{each}: ${each}' for each in needed)})" if needed else ""
            inside = " { __typename }" if is_composite_type(get_named_type(field.type)) else ""
            found[name] = f"{kind} Ask{declared} {{ {name}{given}{inside} }}"
    return found


async def test_the_schema_is_told_to_everybody_by_default(service: Service) -> None:
    for who in (None, "admin", "readonly"):
        schema = await schema_of(service, who)
        assert schema.query_type is not None
        assert {"me", "users", "node", "auditEvents"} <= set(schema.query_type.fields)
        assert schema.subscription_type is None
    asked = await service.client.get("/graphql", params={"query": '{ __type(name: "PageInfo") { name } }'})
    assert asked.json()["data"] == {"__type": {"name": "PageInfo"}}
    # Every type and field tells what it is for.
    schema = await schema_of(service, None)
    for type_ in schema.type_map.values():
        if not type_.name.startswith("__"):
            assert type_.description, type_.name
            for name, field in getattr(type_, "fields", {}).items():
                assert field.description, f"{type_.name}.{name}"


async def test_the_schema_is_told_to_no_stranger_where_a_setting_says_so(service_with: Callable[..., Any]) -> None:
    async with service_with(introspection=False) as service:
        await unauthenticated(service, INTROSPECTION)
        await unauthenticated(service, '{ __type(name: "User") { name } }')
        await unauthenticated(service, "{ ...F } fragment F on Query { a: __schema { __typename } }")
        # Messages about what is wrong would tell what is right.
        for query in ("{ user { usernam } }", "{ uers { nodes { id } } }", "mutation { creatUser { id } }"):
            await unauthenticated(service, query)
        hinting = 'mutation { acceptInvitation(input: {token: "x"}) { user { usernam emial } errrors } }'
        answer = await service.post({"query": hinting}, who=None)
        assert answer.json()["errors"]
        for word in ("Did you mean", "'username'", "'email'", "'errors'"):
            assert word not in answer.text
        assert await service.data("{ __typename }", who=None) == {"__typename": "Query"}
        schema = await schema_of(service, "readonly")
        assert "User" in schema.type_map


async def test_no_root_field_answers_a_stranger_but_those_that_bring_a_token(service: Service) -> None:
    asked = documents(await schema_of(service))
    assert len(asked) > 35
    assert set(asked) >= OPEN_TO_STRANGERS
    before = await service.snapshot()
    for name, query in asked.items():
        codes = await service.codes(query)
        assert codes in ([], ["BAD_USER_INPUT"]), (name, codes)  # valid, though its variables are missing
        if name not in OPEN_TO_STRANGERS:
            await unauthenticated(service, query)
    assert await service.snapshot() == before


async def test_there_is_no_way_around_for_a_stranger(service: Service) -> None:
    before = await service.snapshot()
    for query in (
        "{ __typename: me { id } }",
        "{ __schema: me { id } }",
        "{ __typename me { id } }",
        "{ __schema { queryType { name } } me { id } }",
        "{ ...F } fragment F on Query { me { id } }",
        "{ ... { ... on Query { me { id } } } }",
        "{ __typename ...F } fragment F on Query { ...G } fragment G on Query { me { id } }",
        "{ me @skip(if: true) { id } }",
        "query($on: Boolean = false) { __typename me @include(if: $on) { id } }",
        'mutation { __typename createGroup(input: {name: "Made"}) { group { id } } }',
        'mutation { ...M } fragment M on Mutation { acceptInvitation(input: {token: "x"}) { __typename }'
        ' createGroup(input: {name: "Made"}) { __typename } }',
        'mutation { acceptInvitation: createGroup(input: {name: "Made"}) { group { id } } }',
    ):
        await unauthenticated(service, query)
    await unauthenticated(service, "query A { __typename } query B { me { id } }", operationName="B")
    assert await service.snapshot() == before


async def test_what_is_open_to_strangers_gives_nothing_for_a_wrong_token(service: Service) -> None:
    before = await service.snapshot()
    data = await service.data(
        'mutation { a: acceptInvitation(input: {token: "x"}) { user { id email } errors { code } }'
        ' b: resetPassword(input: {token: "x", newPassword: "plum violin harbour 42"})'
        " { user { id } errors { code } } }",
        who=None,
    )
    assert data == {
        "a": {"user": None, "errors": [{"code": "INVALID_TOKEN"}]},
        "b": {"user": None, "errors": [{"code": "INVALID_TOKEN"}]},
    }
    assert await service.snapshot() == before


QUERY_OF_A_DROPPED_TABLE = "{ users(first: 1) { nodes { tags } } }"
CHANGE_OF_A_DROPPED_TABLE = "mutation($i: CreateUserInput!) { createUser(input: $i) { user { id } errors { code } } }"
SECRET = "plum violin harbour 43"
NEW_USER = {
    "username": "fresh",
    "email": "fresh@usergraph.test",
    "name": "Fresh",
    "role": {"name": "IT"},
    "tags": ["one"],
    "authentication": {"local": {"password": SECRET}},
}


@pytest.mark.parametrize("query", [QUERY_OF_A_DROPPED_TABLE, CHANGE_OF_A_DROPPED_TABLE], ids=["query", "mutation"])
async def test_a_bug_is_masked_logged_once_and_stores_nothing(
    service: Service, query: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A table that is gone stands for any fault of this program."""
    await service.data("{ me { id } }")
    await service.write("DROP TABLE user_tags")
    before = (
        await service.rows("SELECT id, username FROM users ORDER BY id"),
        await service.scalar("SELECT COUNT(*) FROM audit_events"),
    )
    caplog.clear()
    for media in ("application/json", "application/graphql-response+json"):
        answer = await service.post({"query": query, "variables": {"i": NEW_USER}}, headers={"accept": media})
        request_id = answer.headers["x-request-id"]
        assert answer.status_code == 500
        (error,) = answer.json()["errors"]
        assert answer.json()["data"] is None
        assert error["extensions"] == {"code": "INTERNAL", "requestId": request_id}
        assert error["message"] == f"Something went wrong here. Tell an operator the request id {request_id}."
        assert "user_tags" not in answer.text
        logged = [record for record in caplog.records if request_id in record.getMessage()]
        assert [(record.levelname, record.exc_info is not None) for record in logged] == [("ERROR", True)]
    assert len([record for record in caplog.records if record.levelno >= 30]) == 2
    assert SECRET not in caplog.text
    assert "ug_test_key" not in caplog.text
    after = (
        await service.rows("SELECT id, username FROM users ORDER BY id"),
        await service.scalar("SELECT COUNT(*) FROM audit_events"),
    )
    assert after == before
    assert await service.data("{ me { username } }") == {"me": {"username": "admin"}}
