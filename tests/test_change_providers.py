"""Making, changing and deleting identity providers, and what follows for who signs in through them."""

import json
from datetime import timedelta
from typing import Any

import pytest

from models.values import now
from resolvers import tokens
from tests.service import Service, codes
from tests.signing_in import ask_as, token_of

PROVIDER = """identityProvider { id name prefix kind isEnabled serverNumber userCount } errors { code message path }"""
DELETE = "mutation($id: ID!) { deleteIdentityProvider(input: {id: $id}) { deletedId errors { code message path } } }"


async def create(service: Service, **more: Any) -> Any:
    given = {"name": "Third", "prefix": "ldap3", "kind": "LDAP", "serverNumber": 3, **more}
    document = "mutation($input: CreateIdentityProviderInput!) { createIdentityProvider(input: $input) { %s } }"
    return (await service.data(document % PROVIDER, {"input": given}))["createIdentityProvider"]


async def update(service: Service, provider: str, **given: Any) -> Any:
    document = "mutation($input: UpdateIdentityProviderInput!) { updateIdentityProvider(input: $input) { %s } }"
    answer = await service.data(document % PROVIDER, {"input": {"id": provider, **given}})
    return answer["updateIdentityProvider"]


async def delete(service: Service, provider: str) -> Any:
    return (await service.data(DELETE, {"id": provider}))["deleteIdentityProvider"]


async def events(service: Service, provider: int) -> list[tuple[str, list[Any]]]:
    """Action and the pairs of before and after."""
    sql = "SELECT action, changes FROM audit_events WHERE subject_type = 'provider' AND subject_id = $1 ORDER BY id"
    return [(action, list(json.loads(changes).values())) for action, changes in await service.rows(sql, provider)]


async def ldap_user(service: Service, number: int = 1) -> Any:
    document = """mutation($to: AuthenticationInput!) { convertUsers(input: {conversions: [{id: "user_9", to: $to}]}) {
      results { errors { code } } } }"""
    to = {"ldap": {"serverNumber": number, "loginDn": "cn=o,dc=x"}}
    return (await service.data(document, {"to": to}))["convertUsers"]["results"][0]["errors"]


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ({}, ("LDAP", True, 3)),
        ({"serverNumber": 9, "isEnabled": False}, ("LDAP", False, 9)),
        ({"kind": "SAML", "serverNumber": None}, ("SAML", True, None)),
        ({"kind": "LOCAL", "serverNumber": None}, ("LOCAL", True, None)),
    ],
)
async def test_providers_of_each_kind_are_made(service: Service, given: Any, shown: tuple[Any, ...]) -> None:
    answer = await create(service, **given)
    assert answer == {
        "identityProvider": {
            "id": "provider_5",
            "name": "Third",
            "prefix": "ldap3",
            "kind": shown[0],
            "isEnabled": shown[1],
            "serverNumber": shown[2],
            "userCount": 0,
        },
        "errors": [],
    }
    ((kind, enabled, number),) = await service.rows(
        "SELECT kind, is_enabled, server_number FROM identity_providers WHERE id = 5"
    )
    assert (kind, bool(enabled), number) == shown
    ((action, pairs),) = await events(service, 5)
    assert action == "CREATED"
    assert [None, "Third"] in pairs


@pytest.mark.parametrize(
    ("given", "code", "path"),
    [
        ({"name": ""}, "REQUIRED", "name"),
        ({"name": "main ldap"}, "TAKEN", "name"),
        ({"prefix": "sso"}, "TAKEN", "prefix"),
        ({"prefix": "Third!"}, "INVALID", "prefix"),
        ({"prefix": ""}, "INVALID", "prefix"),
        ({"serverNumber": 2}, "TAKEN", "serverNumber"),
        ({"serverNumber": 0}, "INVALID", "serverNumber"),
        ({"serverNumber": 10}, "INVALID", "serverNumber"),
    ],
)
async def test_a_provider_that_cannot_be_says_why(service: Service, given: Any, code: str, path: str) -> None:
    await create(service, name="Mine", prefix="mine", serverNumber=8)
    before = await service.snapshot()
    for answer in (await create(service, **given), await update(service, "provider_5", **given)):
        assert answer["identityProvider"] is None
        assert [(e["code"], e["path"]) for e in answer["errors"]] == [(code, [path])]
    assert await service.snapshot() == before


async def test_only_and_every_ldap_provider_has_a_server_number(service: Service) -> None:
    assert codes((await create(service, serverNumber=None))["errors"]) == ["REQUIRED"]
    assert codes((await create(service, kind="SAML"))["errors"]) == ["INVALID"]
    assert codes((await update(service, "provider_4", serverNumber=5))["errors"]) == ["INVALID"]
    assert await service.scalar("SELECT COUNT(*) FROM identity_providers") == 4


async def test_a_provider_changes_field_by_field(service: Service) -> None:
    steps: list[tuple[dict[str, Any], list[Any]]] = [
        ({"name": "Newer LDAP"}, ["Old LDAP", "Newer LDAP"]),
        ({"prefix": "newer"}, ["ldap2", "newer"]),
        ({"serverNumber": 7}, [2, 7]),
        ({"isEnabled": True}, [False, True]),
    ]
    for given, pair in steps:
        answer = await update(service, "provider_3", **given)
        assert answer["errors"] == []
        assert (await events(service, 3))[-1] == ("UPDATED", [pair])
    before = await service.snapshot()
    again = await update(service, "provider_3", name="Newer LDAP", isEnabled=True, serverNumber=7)
    assert again["identityProvider"] == {
        "id": "provider_3",
        "name": "Newer LDAP",
        "prefix": "newer",
        "kind": "LDAP",
        "isEnabled": True,
        "serverNumber": 7,
        "userCount": 0,
    }
    assert await service.snapshot() == before


async def test_a_server_is_found_by_its_new_number_and_only_while_it_is_enabled(service: Service) -> None:
    assert codes(await ldap_user(service, 2)) == ["PROVIDER_DISABLED"]
    await update(service, "provider_3", isEnabled=True, serverNumber=4)
    assert codes(await ldap_user(service, 2)) == ["PROVIDER_NOT_CONFIGURED"]
    assert await ldap_user(service, 4) == []
    assert await service.rows("SELECT provider_id, ldap_provider_id FROM users WHERE id = 9") == [(3, 3)]


async def test_switching_off_the_administrators_way_in_is_refused(service: Service) -> None:
    before = await service.snapshot()
    answer = await update(service, "provider_1", isEnabled=False)
    assert (answer["identityProvider"], codes(answer["errors"])) == (None, ["LAST_ADMINISTRATOR"])
    assert await service.snapshot() == before
    assert (await update(service, "provider_2", isEnabled=False))["identityProvider"]["isEnabled"] is False


async def sessions(service: Service) -> dict[int, list[bool]]:
    """By user, whether their sessions are open, oldest first."""
    found: dict[int, list[bool]] = {}
    for user, is_open in await service.rows("SELECT user_id, ended_at IS NULL FROM sessions ORDER BY id"):
        found.setdefault(user, []).append(bool(is_open))
    return found


async def test_switching_off_ends_the_sessions_of_who_signs_in_there_for_good(service: Service) -> None:
    await service.write("UPDATE users SET provider_id = 4 WHERE id IN (3, 8)")
    for user, minutes in ((3, 5), (8, 5), (8, 5), (8, -5), (9, 5)):
        await service.write(
            "INSERT INTO sessions (user_id, token_digest, created_at, expires_at) VALUES ($1, $2, $3, $4)",
            user,
            tokens.digest(tokens.Purpose.SESSION, tokens.make(tokens.Purpose.SESSION)),
            now(),
            now() + timedelta(minutes=minutes),
        )
    await service.write("UPDATE users SET provider_id = 1 WHERE id = 9")
    before = await service.snapshot()
    document = 'mutation { updateIdentityProvider(input: {id: "provider_4", isEnabled: false, dryRun: true}) { %s } }'
    await service.data(document % "errors { code }")
    await update(service, "provider_4", name="Sign-on")
    await update(service, "provider_4", isEnabled=True)
    assert (await service.snapshot())["sessions"] == before["sessions"]
    with service.statements() as few:
        await update(service, "provider_4", isEnabled=False)
    assert await sessions(service) == {3: [False], 8: [False, False, True], 9: [True]}, "what was over stays as it was"
    assert (await events(service, 4))[-1] == ("UPDATED", [[True, False], [3, 0]])
    await update(service, "provider_4", isEnabled=True)
    assert await sessions(service) == {3: [False], 8: [False, False, True], 9: [True]}
    await service.write("UPDATE sessions SET ended_at = NULL WHERE user_id = 3")
    with service.statements() as fewer:
        await update(service, "provider_4", isEnabled=False)
    assert len(few) == len(fewer), "however many sessions there are"
    assert (await events(service, 4))[-1] == ("UPDATED", [[True, False], [1, 0]])


async def test_a_session_ends_with_its_provider_and_does_not_come_back(service: Service) -> None:
    await create(service, name="Second", prefix="second", kind="LOCAL", serverNumber=None)
    await service.write("UPDATE users SET provider_id = 5 WHERE id = 8")
    token = await token_of(service)
    assert (await ask_as(service, token, "{ me { id } }"))["data"]["me"] == {"id": "user_8"}
    await update(service, "provider_5", isEnabled=False)
    await update(service, "provider_5", isEnabled=True)
    refused = await ask_as(service, token, "{ me { id } }")
    assert [each["extensions"]["code"] for each in refused["errors"]] == ["UNAUTHENTICATED"]


async def test_a_provider_in_use_is_not_deleted(service: Service) -> None:
    assert await ldap_user(service) == []
    answer = await delete(service, "provider_2")
    assert (answer["deletedId"], codes(answer["errors"])) == (None, ["IN_USE"])
    assert "1 user" in answer["errors"][0]["message"]
    document = 'mutation { convertUsers(input: {conversions: [{id: "user_9", to: {local: {}}}]}) { errors { code } } }'
    await service.data(document)
    assert await delete(service, "provider_2") == {"deletedId": "provider_2", "errors": []}
    assert [action for action, _ in await events(service, 2)] == ["DELETED"]
    assert await service.rows("SELECT id FROM identity_providers ORDER BY id") == [(1,), (3,), (4,)]
    # Nothing leads back to a provider that is gone.
    assert await service.scalar("SELECT COUNT(*) FROM previous_identities WHERE ldap_provider_id = 2") == 0


async def test_the_last_provider_of_local_passwords_stays(service: Service) -> None:
    before = await service.snapshot()
    assert codes((await delete(service, "provider_1"))["errors"]) == ["IN_USE"]
    await service.write("UPDATE users SET provider_id = 4")
    alone = await delete(service, "provider_1")
    assert (alone["deletedId"], codes(alone["errors"])) == (None, ["IN_USE"])
    assert (await service.snapshot())["identity_providers"] == before["identity_providers"]


@pytest.mark.parametrize("who", ["it", "pm", "normal", "readonly", "orgadmin"])
async def test_providers_are_for_administrators_of_the_platform(service: Service, who: str) -> None:
    before = await service.snapshot()
    for document in (
        '{ createIdentityProvider(input: {name: "X", prefix: "x", kind: SAML}) { errors { code } } }',
        '{ updateIdentityProvider(input: {id: "provider_4", name: "X"}) { errors { code } } }',
        '{ deleteIdentityProvider(input: {id: "provider_4"}) { errors { code } } }',
    ):
        (answer,) = (await service.data(f"mutation {document}", who=who)).values()
        assert codes(answer["errors"]) == ["FORBIDDEN"]
    assert await service.snapshot() == before


async def test_providers_that_are_not_there_are_not_found(service: Service) -> None:
    for provider in ("provider_99", "role_1", "provider_"):
        for answer in (await update(service, provider, name="X"), await delete(service, provider)):
            assert [(e["code"], e["path"]) for e in answer["errors"]] == [("NOT_FOUND", ["id"])]
