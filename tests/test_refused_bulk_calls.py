"""A bulk call that is refused as a whole: its results say so, row by row, also to clients that select nothing else."""

from typing import Any

import pytest
from graphql import GraphQLInputObjectType, GraphQLList, GraphQLNonNull, GraphQLObjectType

from graph import schema
from tests.service import Service

IDS = ["user_8", "user_9"]
CALLS: dict[str, dict[str, Any]] = {
    "activateUsers": {"ids": IDS},
    "addGroupMembers": {"id": "group_1", "userIds": IDS},
    "addOrganizationMembers": {"id": "organization_3", "userIds": IDS},
    "convertUsers": {"conversions": [{"id": each, "to": {"local": {}}} for each in IDS]},
    "deactivateUsers": {"ids": IDS},
    "deleteSavedReports": {"ids": ["report_1", "report_2"]},
    "deleteUsers": {"ids": IDS},
    "endSessions": {"ids": ["session_1", "session_2"]},
    "eraseUsers": {"ids": IDS},
    "inviteUsers": {"users": [{"email": "a@x.test", "ref": "a"}, {"email": "b@x.test", "ref": "b"}]},
    "removeGroupMembers": {"id": "group_1", "userIds": IDS},
    "removeOrganizationMembers": {"id": "organization_3", "userIds": IDS},
    "resendInvitations": {"ids": ["invitation_1", "invitation_2"]},
    "resetSecondFactor": {"ids": IDS},
    "revertConversions": {"ids": IDS},
    "revokeApiKeys": {"ids": ["key_1", "key_2"]},
    "revokeInvitations": {"ids": ["invitation_1", "invitation_2"]},
    "upsertUsers": {"users": [{"email": "a@x.test", "ref": "a"}, {"email": "b@x.test", "ref": "b"}]},
}


def bulk_mutations() -> dict[str, GraphQLObjectType]:
    """Name of every mutation with `results` to the type of one result."""
    mutations = schema.built().mutation_type
    assert mutations is not None
    found = {}
    for name, field in mutations.fields.items():
        payload = field.type.of_type if isinstance(field.type, GraphQLNonNull) else field.type
        if "results" in payload.fields:
            found[name] = payload.fields["results"].type.of_type.of_type.of_type
    return found


def whole(result: GraphQLObjectType) -> str:
    """A selection of all plain fields of a result."""
    plain = []
    for name, field in result.fields.items():
        named = field.type
        while isinstance(named, GraphQLNonNull | GraphQLList):
            named = named.of_type
        if not isinstance(named, GraphQLObjectType):
            plain.append(name)
    return " ".join(plain)


def refs(given: dict[str, Any]) -> list[str]:
    (rows,) = [each for each in given.values() if isinstance(each, list)]
    return [each if isinstance(each, str) else each.get("ref") or each["id"] for each in rows]


def test_every_bulk_mutation_is_called_here_and_has_one_list_of_rows() -> None:
    assert set(CALLS) == set(bulk_mutations())
    for name in CALLS:
        mutations = schema.built().mutation_type
        assert mutations is not None
        given = mutations.fields[name].args["input"].type.of_type
        assert isinstance(given, GraphQLInputObjectType)
        lists = [each for each, field in given.fields.items() if "[" in str(field.type)]
        assert len(lists) == 1, name


@pytest.mark.parametrize("name", CALLS)
async def test_results_of_a_refused_call_carry_its_refusal(service: Service, name: str) -> None:
    given, result = CALLS[name], bulk_mutations()[name]
    key = {"idempotencyKey": "k" * 300}
    document = f"""mutation($input: {name[0].upper()}{name[1:]}Input!) {{ {name}(input: $input) {{
      results {{ {whole(result)} errors {{ code message path index }} }} }} }}"""
    before = await service.snapshot()
    body = await service.ask(document, {"input": {**given, **key}})
    assert "errors" not in body, body
    results = body["data"][name]["results"]
    assert [(each["index"], each["ref"], each["action"]) for each in results] == [
        (index, ref, "FAILED") for index, ref in enumerate(refs(given))
    ]
    assert [each["errors"] for each in results] == [
        [
            {
                "code": "INVALID",
                "message": "An idempotencyKey has 1 to 255 characters.",
                "path": ["idempotencyKey"],
                "index": index,
            }
        ]
        for index in range(2)
    ]
    assert await service.snapshot() == before


async def test_a_call_that_may_not_be_made_and_one_without_rows_have_a_result_that_failed(service: Service) -> None:
    document = """mutation($input: UpsertUsersInput!) { upsertUsers(input: $input) { summary { failed }
      results { index ref action user { id } errors { code index } } errors { code index } } }"""
    answer = (await service.data(document, {"input": {"users": []}}, who="normal"))["upsertUsers"]
    assert answer == {
        "summary": None,
        "results": [
            {
                "index": 0,
                "ref": None,
                "action": "FAILED",
                "user": None,
                "errors": [{"code": "FORBIDDEN", "index": 0}],
            }
        ],
        "errors": [{"code": "FORBIDDEN", "index": None}],
    }
