"""Dry runs and repeated calls, asked of every mutation there is."""

import asyncio
import re
from typing import Any

import pytest

from tests.mutations import CASES, ERRORS, ISSUED, PLANS, RESULTS, ask, input_type
from tests.service import Service, codes


async def test_every_mutation_is_asked_here(service: Service) -> None:
    data = await service.data(
        "{ __schema { mutationType { fields { name args { name type { ofType { name } } } } } } }"
    )
    fields = {each["name"]: each["args"] for each in data["__schema"]["mutationType"]["fields"]}
    # Who signs out has no session any more to ask again with; tests/test_sessions.py has its dry run.
    assert fields.pop("signOut")
    # It changes nothing; tests/test_probe_providers.py asks it.
    assert fields.pop("testIdentityProvider")
    assert set(fields) == set(CASES)
    takes = {name: [(arg["name"], arg["type"]["ofType"]["name"]) for arg in args] for name, args in fields.items()}
    assert takes == {name: [("input", input_type(name))] for name in CASES}


def comparable(answer: Any, known: str) -> Any:
    """An answer without what only the real call can know: ids of new things, new times, new secrets."""
    if isinstance(answer, dict):
        secret = {name for name, value in answer.items() if str(value).startswith("ug_")}
        hidden = {"expiresAt", "link", "otpauthUri", "recoveryCodes", "secret", "token", *secret}
        return {name: comparable(value, known) for name, value in answer.items() if name not in hidden}
    if isinstance(answer, list):
        return [comparable(each, known) for each in answer]
    if isinstance(answer, str) and re.fullmatch(r"[a-z]+_\d+", answer) and answer not in known:
        return "new id"
    return answer


@pytest.mark.parametrize("name", [name for name in CASES if name not in PLANS])
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
    for name, secret in (
        ("createApiKey", "secret"),
        ("requestPasswordReset", "link"),
        ("enrollSecondFactor", "secret"),
        ("enrollSecondFactor", "otpauthUri"),
        ("confirmSecondFactor", "recoveryCodes"),
        ("regenerateRecoveryCodes", "recoveryCodes"),
    ):
        prepare, selection = CASES[name]
        given = {**await prepare(service), "dryRun": True}
        assert not (await ask(service, name, given, selection))[secret]


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
