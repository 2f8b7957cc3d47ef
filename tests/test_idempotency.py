"""Dry runs, repeated calls and error policies, asked of every mutation there is."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.cast import PASSWORD
from tests.service import Service, codes

NEW_PASSWORD = "amber ladder quiet 77"
USER = "user { id username email name state version isLdap hasValidPassword role { name } tags }"
ERRORS = "errors { code message path index }"
ROWS = f"summary {{ created updated unchanged skipped failed }} {ERRORS}"
RESULTS = f"{ROWS} results {{ index ref action changedFields {USER} {ERRORS} %s }}"
ISSUED = "invitation { id link expiresAt invitation { id state sentCount } }"
PROVIDER = f"identityProvider {{ id name prefix kind isEnabled serverNumber }} {ERRORS}"
ORGANIZATION = f"organization {{ id name parent {{ id }} userCount }} {ERRORS}"
GROUP = f"group {{ id name description userCount }} {ERRORS}"
ROLE = f"role {{ id name weight permissions synonyms }} {ERRORS}"

Prepare = Callable[[Service], Awaitable[dict[str, Any]]]


async def ask(service: Service, name: str, given: dict[str, Any], selection: str, who: str | None = "admin") -> Any:
    document = f"mutation($input: {input_type(name)}!) {{ {name}(input: $input) {{ {selection} }} }}"
    return (await service.data(document, {"input": given}, who=who))[name]


def input_type(name: str) -> str:
    return f"{name[0].upper()}{name[1:]}Input"


async def invitation(service: Service) -> Any:
    answer = await ask(service, "inviteUsers", {"users": [{"email": "i@x.test"}]}, f"results {{ {ISSUED} }}")
    return answer["results"][0]["invitation"]


async def pending(service: Service) -> dict[str, Any]:
    return {"ids": [(await invitation(service))["id"]]}


async def acceptance(service: Service) -> dict[str, Any]:
    token = (await invitation(service))["link"].split("#")[1]
    return {"token": token, "password": NEW_PASSWORD, "name": "Come In"}


async def converted(service: Service) -> dict[str, Any]:
    to = {"conversions": [{"id": "user_9", "to": {"saml": {}}}]}
    assert (await ask(service, "convertUsers", to, "results { action }"))["results"] == [{"action": "UPDATED"}]
    return {"ids": ["user_9"]}


async def deactivated(service: Service) -> dict[str, Any]:
    await ask(service, "deactivateUsers", {"ids": ["user_9"]}, ERRORS)
    return {"ids": ["user_9"]}


async def reset(service: Service) -> dict[str, Any]:
    answer = await ask(service, "requestPasswordReset", {"email": "outsider@usergraph.test"}, "link")
    return {"token": answer["link"].split("#")[1], "newPassword": NEW_PASSWORD}


async def own_role(service: Service) -> dict[str, Any]:
    given = {"name": "Auditor", "weight": 30, "permissions": ["READ_AUDIT"], "synonyms": ["Checker"]}
    return {"id": (await ask(service, "createRole", given, "role { id }"))["role"]["id"]}


def fixed(**given: Any) -> Prepare:
    async def prepare(_: Service) -> dict[str, Any]:
        return given

    return prepare


def also(prepare: Prepare, **more: Any) -> Prepare:
    async def prepared(service: Service) -> dict[str, Any]:
        return {**await prepare(service), **more}

    return prepared


NEW_USER = {"username": "new", "email": "new@x.test", "name": "New", "role": {"name": "IT"}}
LDAP = {"ldap": {"serverNumber": 1, "loginDn": "cn=outsider,dc=x,dc=test"}}
CASES: dict[str, tuple[Prepare, str]] = {
    "createUser": (fixed(**NEW_USER, authentication={"local": {"password": PASSWORD}}), f"{USER} {ERRORS}"),
    "inviteUsers": (fixed(users=[{"email": "a@x.test", "ref": "1"}, {"email": "b@x.test"}]), RESULTS % ISSUED),
    "acceptInvitation": (acceptance, f"{USER} {ERRORS}"),
    "resendInvitations": (pending, RESULTS % ISSUED),
    "revokeInvitations": (pending, RESULTS % ISSUED),
    "updateUser": (fixed(id="user_9", name="Odd", tags=["a|b"], aliases=["o"]), f"{USER} changedFields {ERRORS}"),
    "upsertUsers": (
        fixed(users=[{"email": "a@x.test"}, {"email": "member@usergraph.test", "tags": ["t"]}]),
        RESULTS % "matchedBy",
    ),
    "convertUsers": (fixed(conversions=[{"id": "user_9", "to": LDAP}]), RESULTS % "kept lost"),
    "revertConversions": (converted, RESULTS % ""),
    "activateUsers": (deactivated, RESULTS % ""),
    "deactivateUsers": (fixed(ids=["user_4", "user_9"]), RESULTS % "endedSessions revokedKeys revokedInvitations"),
    "deleteUsers": (fixed(ids=["user_9"]), RESULTS % "deletedId"),
    "changePassword": (fixed(id="user_9", newPassword=NEW_PASSWORD), f"{USER} {ERRORS}"),
    "requestPasswordReset": (fixed(email="outsider@usergraph.test"), f"accepted link expiresAt {ERRORS}"),
    "resetPassword": (reset, f"{USER} {ERRORS}"),
    "createApiKey": (
        fixed(name="ci", userId="user_9", permissions=["USE_SELF_SERVICE"]),
        f"secret apiKey {{ id name prefix permissions isValid user {{ id }} }} {ERRORS}",
    ),
    "revokeApiKeys": (fixed(ids=["key_3", "key_4"]), RESULTS % "apiKey { id isValid }"),
    "createRole": (fixed(name="Auditor", weight=30, permissions=["READ_AUDIT"], synonyms=["Checker"]), ROLE),
    "updateRole": (also(own_role, name="Reviewer", weight=20, permissions=[], synonyms=["Looker"]), ROLE),
    "deleteRole": (own_role, f"deletedId {ERRORS}"),
    "createIdentityProvider": (fixed(name="Third", prefix="ldap3", kind="LDAP", serverNumber=3), PROVIDER),
    "updateIdentityProvider": (fixed(id="provider_3", isEnabled=True, serverNumber=4, name="New LDAP"), PROVIDER),
    "deleteIdentityProvider": (fixed(id="provider_4"), f"deletedId {ERRORS}"),
    "createOrganization": (fixed(name="Acme North", parentId="organization_2"), ORGANIZATION),
    "updateOrganization": (fixed(id="organization_4", name="West", parentId="organization_5"), ORGANIZATION),
    "deleteOrganization": (fixed(id="organization_4"), f"deletedId {ERRORS}"),
    "addOrganizationMembers": (
        fixed(id="organization_4", userIds=["user_8", "user_9"], role={"name": "IT"}),
        f"{RESULTS % ''} {ORGANIZATION.replace(ERRORS, '')}",
    ),
    "removeOrganizationMembers": (
        fixed(id="organization_3", userIds=["user_8", "user_9"]),
        f"{RESULTS % ''} {ORGANIZATION.replace(ERRORS, '')}",
    ),
    "createGroup": (fixed(name="Choir", description="Sings"), GROUP),
    "updateGroup": (fixed(id="group_1", name="Web", description="Pages"), GROUP),
    "deleteGroup": (fixed(id="group_1"), f"deletedId {ERRORS}"),
    "addGroupMembers": (
        fixed(id="group_1", userIds=["user_8", "user_9"]),
        f"{RESULTS % ''} {GROUP.replace(ERRORS, '')}",
    ),
    "removeGroupMembers": (
        fixed(id="group_1", userIds=["user_8", "user_9"]),
        f"{RESULTS % ''} {GROUP.replace(ERRORS, '')}",
    ),
}


async def test_every_mutation_is_asked_here(service: Service) -> None:
    data = await service.data(
        "{ __schema { mutationType { fields { name args { name type { ofType { name } } } } } } }"
    )
    fields = {each["name"]: each["args"] for each in data["__schema"]["mutationType"]["fields"]}
    assert set(fields) == set(CASES)
    takes = {name: [(arg["name"], arg["type"]["ofType"]["name"]) for arg in args] for name, args in fields.items()}
    assert takes == {name: [("input", input_type(name))] for name in CASES}


def comparable(answer: Any, known: str) -> Any:
    """An answer without what only the real call can know: ids of new things, new times, new secrets."""
    if isinstance(answer, dict):
        secret = {name for name, value in answer.items() if str(value).startswith("ug_")}
        hidden = {"expiresAt", "link", "secret", *secret}
        return {name: comparable(value, known) for name, value in answer.items() if name not in hidden}
    if isinstance(answer, list):
        return [comparable(each, known) for each in answer]
    if isinstance(answer, str) and re.fullmatch(r"[a-z]+_\d+", answer) and answer not in known:
        return "new id"
    return answer


@pytest.mark.parametrize("name", CASES)
async def test_a_dry_run_answers_as_the_real_call_and_a_repeated_call_stores_nothing(
    service: Service, name: str
) -> None:
    prepare, selection = CASES[name]
    given = await prepare(service)
    before = await service.snapshot()
    dry = await ask(service, name, {**given, "dryRun": True, "idempotencyKey": "call 1"}, selection)
    assert dry["errors"] == []
    assert await service.snapshot() == before

    keyed = {**given, "idempotencyKey": "call 1"}
    real = await ask(service, name, keyed, selection)
    known = " ".join(sorted({f"user_{number}" for number in range(1, 10)})) + f" {given}"
    assert comparable(real, known) == comparable(dry, known)
    after = await service.snapshot()
    changed = {table for table in after if after[table] != before[table]}
    assert changed >= {"audit_events", "stored_answers"}

    assert await ask(service, name, keyed, selection) == real
    other = "createOrganization" if name == "createGroup" else "createGroup"
    reused = await ask(service, other, {"name": "Other", "idempotencyKey": "call 1"}, ERRORS)
    assert [(e["code"], e["path"]) for e in reused["errors"]] == [("IDEMPOTENCY_KEY_REUSED", ["idempotencyKey"])]
    # Another person's key of the same name is another key.
    if name != "createGroup":
        free = await ask(
            service, "createGroup", {"name": "X", "dryRun": True, "idempotencyKey": "call 1"}, ERRORS, "it"
        )
        assert free["errors"] == []
    assert await service.snapshot() == after


async def test_a_dry_run_shows_no_secret(service: Service) -> None:
    for name, secret in (("createApiKey", "secret"), ("requestPasswordReset", "link")):
        prepare, selection = CASES[name]
        given = {**await prepare(service), "dryRun": True}
        assert (await ask(service, name, given, selection))[secret] is None


async def test_a_repeated_call_gives_its_secret_again_which_is_kept_sealed(service: Service) -> None:
    given = {"name": "ci", "idempotencyKey": "k"}
    first = await ask(service, "createApiKey", given, f"secret {ERRORS}")
    assert first["secret"].startswith("ug_")
    assert await ask(service, "createApiKey", given, f"secret {ERRORS}") == first
    (stored,) = await service.rows("SELECT key_digest, fingerprint, answer FROM stored_answers")
    assert "k" not in stored
    assert not any(first["secret"] in text for text in stored)
    assert await service.scalar("SELECT COUNT(*) FROM api_keys WHERE name = 'ci'") == 1


async def test_the_key_belongs_to_the_whole_call(service: Service) -> None:
    """Other values, another selection, another fragment under the same name: each is a different call."""
    document = """mutation($input: CreateGroupInput!) { createGroup(input: $input) { ...F } }
      fragment F on CreateGroupPayload { group { %s } errors { code } }"""
    given = {"name": "Choir", "idempotencyKey": "k"}
    first = await service.data(document % "id name", {"input": given})
    assert first["createGroup"] == {"group": {"id": "group_3", "name": "Choir"}, "errors": []}
    assert await service.data(document % "id name", {"input": given}) == first
    before = await service.snapshot()
    for text, values in (
        (document % "id name", {**given, "name": "Band"}),
        (document % "id name", {**given, "description": None}),
        ("mutation($input: CreateGroupInput!) { createGroup(input: $input) { errors { code } } }", given),
        (document % "userCount", given),
    ):
        answer = (await service.data(text, {"input": values}))["createGroup"]
        assert codes(answer["errors"]) == ["IDEMPOTENCY_KEY_REUSED"], text
    assert await service.snapshot() == before


async def test_a_key_is_good_for_a_day(service: Service) -> None:
    given = {"name": "Choir", "idempotencyKey": "k"}
    await ask(service, "createGroup", given, ERRORS)
    await service.write("UPDATE stored_answers SET created_at = (SELECT created_at FROM users WHERE id = 9)")
    again = await ask(service, "createGroup", given, ERRORS)
    assert codes(again["errors"]) == ["TAKEN"]
    other = await ask(service, "createGroup", {**given, "name": "Band"}, ERRORS)
    assert other["errors"] == []
    assert await service.scalar("SELECT COUNT(*) FROM stored_answers") == 1


async def test_a_refused_call_does_not_use_its_key_up(service: Service) -> None:
    refused = await ask(service, "createGroup", {"name": "web work", "idempotencyKey": "k"}, ERRORS)
    assert codes(refused["errors"]) == ["TAKEN"]
    assert await service.scalar("SELECT COUNT(*) FROM stored_answers") == 0
    mended = await ask(service, "createGroup", {"name": "Choir", "idempotencyKey": "k"}, ERRORS)
    assert mended["errors"] == []


async def test_twenty_at_once_run_once(service: Service) -> None:
    given = {"users": [{"email": "a@x.test"}], "idempotencyKey": "k"}
    asked = [ask(service, "inviteUsers", given, RESULTS % ISSUED) for _ in range(20)]
    answers = await asyncio.gather(*asked)
    assert answers[0]["results"][0]["action"] == "CREATED"
    assert [answer == answers[0] for answer in answers] == [True] * 20
    for table in ("invitations", "letters", "stored_answers"):
        assert await service.scalar(f"SELECT COUNT(*) FROM {table}") == 1
    assert await service.scalar("SELECT COUNT(*) FROM audit_events WHERE action = 'INVITED'") == 1


async def test_keys_that_are_no_keys_are_refused(service: Service) -> None:
    before = await service.snapshot()
    for key in ("", "k" * 256):
        answer = await ask(service, "createGroup", {"name": "Choir", "idempotencyKey": key}, ERRORS)
        assert [(e["code"], e["path"]) for e in answer["errors"]] == [("INVALID", ["idempotencyKey"])]
    given = {"email": "member@usergraph.test", "idempotencyKey": "k"}
    stranger = await ask(service, "requestPasswordReset", given, f"accepted {ERRORS}", None)
    assert (stranger["accepted"], codes(stranger["errors"])) == (False, ["INVALID"])
    assert await service.snapshot() == before


POLICIES: list[tuple[str, dict[str, Any]]] = [
    ("inviteUsers", {"users": [{"email": "a@x.test"}, {"email": "bad"}]}),
    ("upsertUsers", {"users": [{"email": "a@x.test"}, {"email": "bad"}]}),
    ("convertUsers", {"conversions": [{"id": "user_9", "to": LDAP}, {"id": "user_77", "to": LDAP}]}),
    ("deactivateUsers", {"ids": ["user_9", "user_77"]}),
    ("deleteUsers", {"ids": ["user_9", "user_77"]}),
    ("revokeApiKeys", {"ids": ["key_3", "key_77"]}),
    ("addGroupMembers", {"id": "group_2", "userIds": ["user_9", "user_77"]}),
    ("removeGroupMembers", {"id": "group_1", "userIds": ["user_8", "user_77"]}),
    ("addOrganizationMembers", {"id": "organization_4", "userIds": ["user_9", "user_77"]}),
    ("removeOrganizationMembers", {"id": "organization_5", "userIds": ["user_9", "user_77"]}),
]


@pytest.mark.parametrize(("name", "given"), POLICIES, ids=[name for name, _ in POLICIES])
async def test_all_or_nothing_is_the_default_and_good_rows_pass_where_asked(
    service: Service, name: str, given: dict[str, Any]
) -> None:
    selection = f"{ROWS} results {{ index action {ERRORS} }}"
    before = await service.snapshot()
    for policy in ({}, {"errorPolicy": "ALL_OR_NOTHING"}, {"errorPolicy": None}):
        answer = await ask(service, name, {**given, **policy}, selection)
        assert [(r["index"], r["action"]) for r in answer["results"]] == [(0, "SKIPPED"), (1, "FAILED")]
        assert codes(answer["results"][0]["errors"]) == ["OTHERS_FAILED"]
        assert (answer["summary"]["skipped"], answer["summary"]["failed"], answer["errors"]) == (1, 1, [])
    assert await service.snapshot() == before
    answer = await ask(service, name, {**given, "errorPolicy": "REJECT_FAILED"}, selection)
    assert answer["results"][0]["errors"] == []
    assert answer["results"][0]["action"] in ("CREATED", "UPDATED", "DELETED")
    assert (answer["results"][1]["action"], answer["summary"]["failed"]) == ("FAILED", 1)
    assert (await service.snapshot())["audit_events"] != before["audit_events"]
