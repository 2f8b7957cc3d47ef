"""Signing in with a password kept here: the session, the record, and one answer to all that is wrong (E3)."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any

import argon2
import pytest

from resolvers.sign_in import FLOOR
from tests.cast import PASSWORD
from tests.service import Service
from tests.signing_in import REFUSED, SIGN_IN, ask_as, counts, sign_in, token_of

NAMES = {
    "unknown": "nobody",
    "wrong": "member",
    "invited": "pm",
    "deactivated": "normal",
    "saml": "readonly",
    "api-only": "robot",
    "no password": "admin",
    "ldap": "outsider",
    "provider off": "it",
}


async def make_all_kinds(service: Service) -> None:
    """Everybody of NAMES but `wrong` has the right password, as far as a hash goes, and cannot use it."""
    for sql in (
        "UPDATE users SET state = 'INVITED' WHERE username_key = 'pm'",
        "UPDATE users SET state = 'DEACTIVATED' WHERE username_key = 'normal'",
        "UPDATE users SET provider_id = 4 WHERE username_key = 'readonly'",
        "UPDATE users SET password_hash = (SELECT password_hash FROM users WHERE id = 8) WHERE username_key = 'robot'",
        "UPDATE users SET provider_id = 2, ldap_provider_id = 2, login_dn = 'cn=o', login_dn_key = 'cn=o'"
        " WHERE username_key = 'outsider'",
        "INSERT INTO identity_providers (name, name_key, prefix, kind, is_enabled, created_at, updated_at)"
        " SELECT 'Off', 'off', 'off', 'LOCAL', false, created_at, updated_at FROM identity_providers WHERE id = 1",
        "UPDATE users SET provider_id = 5 WHERE username_key = 'it'",
    ):
        await service.write(sql)


@pytest.mark.parametrize("name", ["member", "MEMBER", " member ", "member@usergraph.test", "Member@USERGRAPH.test"])
async def test_a_right_password_opens_a_session(service: Service, name: str) -> None:
    before = datetime.now(UTC)
    answer = await sign_in(service, name)
    token = answer["session"].pop("token")
    expires = datetime.fromisoformat(answer["session"].pop("expiresAt"))
    assert answer == {
        "session": {"id": "session_1"},
        "user": {
            "id": "user_8",
            "username": "member",
            "email": "member@usergraph.test",
            "role": {"name": "Normal user"},
        },
        "mustEnrollSecondFactor": False,
        "errors": [],
    }
    assert timedelta(0) <= expires - before - timedelta(hours=12) < timedelta(seconds=20)
    assert (await ask_as(service, token, "{ me { username } }"))["data"] == {"me": {"username": "member"}}
    kept = (await service.rows("SELECT user_id, token_digest, address, user_agent, ended_at FROM sessions"))[0]
    assert (kept[0], *kept[2:]) == (8, "127.0.0.1", "tests", None)
    assert token not in repr(await service.snapshot())
    assert await service.scalar("SELECT last_login_at FROM users WHERE id = 8") is not None
    events = "SELECT action, actor_id, actor_username, subject_id, api_key_id FROM audit_events WHERE subject_id = 8"
    assert await service.rows(events) == [("SIGNED_IN", 8, "member", 8, None)]
    assert await counts(service) == [0, 0]


async def test_whatever_is_wrong_the_answer_is_one(service: Service) -> None:
    await make_all_kinds(service)
    before = await service.snapshot()
    for why, name in NAMES.items():
        password = PASSWORD + "x" if why == "wrong" else PASSWORD
        assert await sign_in(service, name, password) == REFUSED, why
    for password in ("", " ", PASSWORD[:-1], PASSWORD + " ", PASSWORD.upper(), "🔑" * 1_000, "x" * 60_000):
        assert await sign_in(service, "orgadmin", password) == REFUSED, password[:20]
    for name in ("", " ", "@", "a@b", "x" * 60_000, "%", "*", "member)(uid=*"):
        assert await sign_in(service, name) == REFUSED, name[:20]
    after = await service.snapshot()
    blocks = [row for row in after.pop("audit_events") if row not in before["audit_events"]]
    assert [row for row in blocks if "SIGN_IN_BLOCKED" not in row] == []
    before.pop("audit_events")
    assert after == before


async def test_a_password_is_never_cut_off(service: Service) -> None:
    hasher = service.app.state.services.hasher
    long = "amber ladder quiet " * 53  # 1,007 bytes
    await service.write("UPDATE users SET password_hash = $1 WHERE id = 8", await hasher.hash(long))
    assert await sign_in(service, "member", long[:72]) == REFUSED
    assert await sign_in(service, "member", long + "x") == REFUSED
    assert (await sign_in(service, "member", long))["errors"] == []


async def test_every_failure_takes_as_long(service: Service) -> None:
    """Not one sooner than the floor, and no kind later than the others by what could be measured over a network."""
    await make_all_kinds(service)
    took: dict[str, list[float]] = {}
    for _ in range(3):
        for why, name in NAMES.items():
            begun = time.perf_counter()
            assert await sign_in(service, name, PASSWORD + "x") == REFUSED
            took.setdefault(why, []).append(time.perf_counter() - begun)
    middle = {why: median(times) for why, times in took.items()}
    assert min(min(times) for times in took.values()) >= FLOOR
    assert max(middle.values()) - min(middle.values()) < 0.15, middle


@pytest.fixture
def verified(service: Service, monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """The hashes that were verified."""
    hasher, found = service.app.state.services.hasher, []
    real = hasher.verify

    async def counting(kept: str | None, password: str) -> bool:
        found.append(kept)
        is_right: bool = await real(kept, password)
        return is_right

    monkeypatch.setattr(hasher, "verify", counting)
    return found


@pytest.mark.parametrize("name", ["nobody", "member", "robot", "outsider", "admin"])
async def test_every_failure_costs_one_verification_and_so_does_an_account_that_waits(
    service: Service, name: str, verified: list[str | None]
) -> None:
    """Whether there is such an account must not show by what its wait costs."""
    await make_all_kinds(service)
    for attempt in range(8):  # the last three have to wait
        assert await sign_in(service, name, PASSWORD + "x") == REFUSED
        assert len(verified) == attempt + 1
    assert verified[5:] == [None] * 3


@pytest.mark.parametrize("name", ["nobody", "member", "robot", "outsider", "admin"])
async def test_an_address_that_waits_costs_no_verification_but_the_time(
    service: Service, name: str, verified: list[str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its wait tells of no account, and a few addresses could fill the queue for hashes, so that nobody gets in."""
    await make_all_kinds(service)
    for number in range(2):
        assert await sign_in(service, f"nobody {number}", "wrong") == REFUSED
    row = "UPDATE sign_in_failures SET blocked_until = '2999-01-01 00:00:00+00:00', count = 300 WHERE count = 2"
    await service.write(row)
    monkeypatch.setattr("resolvers.hashing.MOST_WAITING", 0)  # a full queue does not show either
    verified.clear()
    begun = time.perf_counter()
    before = await service.snapshot()
    answers = await asyncio.gather(*(sign_in(service, name) for _ in range(10)))
    assert time.perf_counter() - begun >= FLOOR
    assert answers == [REFUSED] * 10
    assert verified == []
    assert await counts(service) == [1, 1, 1, 1, 310], "no row of this name's"
    assert await service.snapshot() == before


async def test_whose_address_it_is_goes_before_whose_name(service: Service) -> None:
    await service.write("UPDATE users SET username_key = 'member@usergraph.test' WHERE username_key = 'outsider'")
    assert (await sign_in(service, "member@usergraph.test"))["user"]["id"] == "user_8"


async def test_a_dry_run_tells_no_token_and_keeps_no_session_but_counts(service: Service) -> None:
    before = await service.snapshot()
    answer = await sign_in(service, dryRun=True)
    assert (answer["session"]["token"], answer["user"]["id"], answer["errors"]) == (None, "user_8", [])
    assert await service.snapshot() == before
    for _ in range(4):
        assert await sign_in(service, password="wrong", dryRun=True) == REFUSED
    assert await counts(service) == [5, 5, 5]
    assert await sign_in(service) == REFUSED, "guesses by dry run are guesses"


async def test_an_old_hash_is_made_anew_with_the_sign_in(service: Service) -> None:
    weak = argon2.PasswordHasher(time_cost=1, memory_cost=8_192, parallelism=1).hash(PASSWORD)
    await service.write("UPDATE users SET password_hash = $1 WHERE id = 8", weak)
    kept = "SELECT password_hash, version FROM users WHERE id = 8"
    assert await sign_in(service, password="wrong") == REFUSED
    assert (await sign_in(service, dryRun=True))["errors"] == []
    assert await service.rows(kept) == [(weak, 1)], "neither a failure nor a dry run"
    assert (await sign_in(service))["errors"] == []
    ((new, version),) = await service.rows(kept)
    assert new.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert version == 1
    assert (await sign_in(service))["errors"] == []
    assert await service.rows(kept) == [(new, 1)], "once"


async def test_what_changes_while_the_password_is_looked_at_counts(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Proved before the transaction, asked again inside it."""
    hasher = service.app.state.services.hasher
    real = hasher.verify
    for sql, undo in (
        ("UPDATE users SET state = 'DEACTIVATED' WHERE id = 8", "UPDATE users SET state = 'ACTIVE' WHERE id = 8"),
        ("UPDATE users SET provider_id = 4 WHERE id = 8", "UPDATE users SET provider_id = 1 WHERE id = 8"),
        ("UPDATE identity_providers SET is_enabled = false WHERE id = 1",
         "UPDATE identity_providers SET is_enabled = true WHERE id = 1"),
        ("UPDATE users SET password_hash = 'another' WHERE id = 8", ""),
    ):  # fmt: skip

        async def verify(kept: str | None, password: str, sql: str = sql) -> bool:
            right: bool = await real(kept, password)
            await service.write(sql)
            return right

        monkeypatch.setattr(hasher, "verify", verify)
        assert await sign_in(service) == REFUSED, sql
        monkeypatch.undo()
        if undo:
            await service.write(undo)
    assert await service.scalar("SELECT COUNT(*) FROM sessions") == 0


async def test_a_role_that_demands_a_second_factor_lets_in_to_set_it_up_and_no_further(service: Service) -> None:
    await service.write("UPDATE roles SET requires_second_factor = true WHERE name = 'IT'")
    answer = await sign_in(service, "it")
    assert (answer["mustEnrollSecondFactor"], answer["errors"]) == (True, [])
    token = answer["session"]["token"]
    me = await ask_as(service, token, "{ me { username } viewer { permissions } }")
    assert me["data"] == {"me": {"username": "it"}, "viewer": {"permissions": ["USE_SELF_SERVICE"]}}
    for way_out in (
        "{ users { nodes { id } } }",
        "{ me { username } users { totalCount } }",
        'mutation { createApiKey(input: {name: "way out"}) { secret } }',
        'mutation { revertConversions(input: {ids: ["user_2"]}) { errors { code } } }',
        'mutation { signOut(input: {}) { errors { code } } createApiKey(input: {name: "way out"}) { secret } }',
    ):
        refused = await ask_as(service, token, way_out)
        assert "data" not in refused
        assert refused["errors"][0]["extensions"]["code"] == "SECOND_FACTOR_REQUIRED", way_out
    assert await service.scalar("SELECT COUNT(*) FROM api_keys WHERE name = 'way out'") == 0
    await service.write("UPDATE users SET totp_secret = 'sealed', totp_enabled_at = created_at WHERE id = 2")
    listing = await ask_as(service, token, "{ users { totalCount } }")
    assert "errors" not in listing
    assert (await sign_in(service, "member"))["mustEnrollSecondFactor"] is False


async def test_a_membership_may_demand_a_second_factor_too(service: Service) -> None:
    await service.write("UPDATE roles SET requires_second_factor = true WHERE name = 'Admin'")
    token = await token_of(service, "orgadmin")
    me = await ask_as(service, token, "{ viewer { permissions } }")
    assert me["data"]["viewer"] == {"permissions": ["USE_SELF_SERVICE"]}


async def test_the_directory_that_does_not_answer_tells_nothing_and_counts_nothing(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    """Provider 2 is an LDAP server that nobody has configured."""
    await make_all_kinds(service)
    for _ in range(7):
        assert await sign_in(service, "outsider") == REFUSED
    assert await counts(service) == [0, 0, 0]
    assert [r.message for r in caplog.records if "provider_2" in r.message]
    assert PASSWORD not in caplog.text
    assert "outsider" not in caplog.text


async def test_names_and_passwords_are_in_no_error(service: Service) -> None:
    body: dict[str, Any] = {"query": SIGN_IN, "variables": {"input": {"username": "member", "password": [PASSWORD]}}}
    answer = await service.post(body, who=None)
    assert PASSWORD not in answer.text
    assert answer.json()["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
