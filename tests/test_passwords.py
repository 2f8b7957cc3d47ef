"""Passwords: changed by their owner or an administrator, reset by a link that works once."""

import json
from typing import Any

import pytest
from argon2 import PasswordHasher

from tests.cast import PASSWORD
from tests.service import Service, codes

NEW = "amber ladder quiet 77"
OTHER = "copper window river 12"
CHANGE = """mutation($input: ChangePasswordInput!) { changePassword(input: $input) {
  user { id hasValidPassword version } errors { code message path } } }"""
REQUEST = """mutation($input: RequestPasswordResetInput!) { requestPasswordReset(input: $input) {
  accepted link expiresAt errors { code message path } } }"""
RESET = """mutation($input: ResetPasswordInput!) { resetPassword(input: $input) {
  user { id username hasValidPassword } errors { code message path } } }"""


async def change(service: Service, user: str, new: str = NEW, who: str | None = "admin", **more: Any) -> Any:
    given = {"id": user, "newPassword": new, **more}
    return (await service.data(CHANGE, {"input": given}, who=who))["changePassword"]


async def request(service: Service, email: str, who: str | None = "admin", **more: Any) -> Any:
    return (await service.data(REQUEST, {"input": {"email": email, **more}}, who=who))["requestPasswordReset"]


async def reset(service: Service, token: str, new: str = NEW, who: str | None = None, **more: Any) -> Any:
    return (await service.data(RESET, {"input": {"token": token, "newPassword": new, **more}}, who=who))[
        "resetPassword"
    ]


async def token_for(service: Service, email: str) -> str:
    link: str = (await request(service, email))["link"]
    return link.split("#")[1]


async def fits(service: Service, user: int, password: str) -> bool:
    """Whether the hash that is stored is this password's."""
    hashed = await service.scalar("SELECT password_hash FROM users WHERE id = $1", user)
    try:
        return PasswordHasher().verify(hashed, password)
    except Exception:
        return False


async def open_session(service: Service, user: int) -> None:
    await service.write(
        "INSERT INTO sessions (user_id, token_digest, created_at, expires_at)"
        " SELECT id, 'digest', created_at, updated_at FROM users WHERE id = $1",
        user,
    )


async def open_sessions(service: Service, user: int) -> int:
    sql = "SELECT COUNT(*) FROM sessions WHERE user_id = $1 AND ended_at IS NULL"
    count: int = await service.scalar(sql, user)
    return count


async def events(service: Service, user: int) -> list[tuple[Any, ...]]:
    sql = "SELECT action, actor_username, changes FROM audit_events"
    rows = await service.rows(f"{sql} WHERE subject_type = 'user' AND subject_id = $1 ORDER BY id", user)
    return [(action, actor, json.loads(changes)) for action, actor, changes in rows]


async def test_an_administrator_sets_anothers_password_and_their_sessions_end(service: Service) -> None:
    await open_session(service, 9)
    token = await token_for(service, "outsider@usergraph.test")
    answer = await change(service, "user_9", who="it")
    assert answer == {"user": {"id": "user_9", "hasValidPassword": True, "version": 2}, "errors": []}
    assert await fits(service, 9, NEW)
    assert not await fits(service, 9, PASSWORD)
    assert await open_sessions(service, 9) == 0
    assert await service.scalar("SELECT COUNT(*) FROM letters") == 0
    assert codes((await reset(service, token, OTHER))["errors"]) == ["INVALID_TOKEN"]
    assert (await events(service, 9))[-1] == ("PASSWORD_CHANGED", "it", {})


@pytest.mark.parametrize("who", ["it", "pm", "normal", "readonly"])
async def test_everybody_changes_their_own_password_with_the_current_one(service: Service, who: str) -> None:
    user = await service.id_of(who)
    number = int(user.split("_")[1])
    await open_session(service, number)
    before = await service.snapshot()
    for given, code in (({}, "REQUIRED"), ({"currentPassword": NEW}, "WRONG_PASSWORD"), ({"currentPassword": ""}, "")):
        refused = await change(service, user, who=who, **given)
        assert refused["user"] is None
        assert [(e["code"], e["path"]) for e in refused["errors"]] == [(code or "WRONG_PASSWORD", ["currentPassword"])]
    assert await service.snapshot() == before
    keyed = {"currentPassword": PASSWORD, "idempotencyKey": "k"}
    first = await change(service, user, who=who, **keyed)
    assert first == {"user": {"id": user, "hasValidPassword": True, "version": 2}, "errors": []}
    assert await fits(service, number, NEW)
    assert await open_sessions(service, number) == 0
    assert await events(service, number) == [("PASSWORD_CHANGED", who, {})]
    assert await change(service, user, who=who, **keyed) == first


async def test_who_has_no_password_yet_needs_none_to_set_one(service: Service) -> None:
    assert not await service.scalar("SELECT password_hash FROM users WHERE id = 1")
    assert (await change(service, "user_1"))["user"] == {"id": "user_1", "hasValidPassword": True, "version": 2}


@pytest.mark.parametrize(
    ("user", "new", "who", "code", "path"),
    [
        ("user_9", NEW, "normal", "FORBIDDEN", ["id"]),
        ("user_9", NEW, "pm", "FORBIDDEN", ["id"]),
        ("user_1", NEW, "it", "USER_TOO_HEAVY", ["id"]),
        ("user_7", NEW, "admin", "PASSWORD_NOT_LOCAL", ["id"]),
        ("user_99", NEW, "admin", "NOT_FOUND", ["id"]),
        ("me", NEW, "admin", "NOT_FOUND", ["id"]),
        ("user_9", "thisistheone", "admin", "WEAK_PASSWORD", ["newPassword"]),
        ("user_9", "", "admin", "WEAK_PASSWORD", ["newPassword"]),
        ("user_9", "🔑" * 20, "admin", "WEAK_PASSWORD", ["newPassword"]),
        ("user_9", "x1y2z" * 300, "admin", "WEAK_PASSWORD", ["newPassword"]),
        ("user_9", "Outsider@usergraph.test", "admin", "WEAK_PASSWORD", ["newPassword"]),
    ],
)
async def test_a_change_that_cannot_be_says_why(
    service: Service, user: str, new: str, who: str, code: str, path: list[str]
) -> None:
    before = await service.snapshot()
    document = CHANGE.replace("hasValidPassword version", "")
    given = {"id": user, "newPassword": new}
    answer = (await service.data(document, {"input": given}, who=who))["changePassword"]
    assert answer["user"] is None
    assert [(e["code"], e["path"]) for e in answer["errors"]] == [(code, path)]
    assert await service.snapshot() == before


async def test_a_stranger_changes_nobodys_password(service: Service) -> None:
    before = await service.snapshot()
    given = {"id": "user_9", "newPassword": NEW, "currentPassword": PASSWORD}
    assert await service.codes(CHANGE, {"input": given}, who=None) == ["UNAUTHENTICATED"]
    assert await service.snapshot() == before


async def test_a_password_is_never_cut_off(service: Service) -> None:
    """What differs after the 72nd byte differs."""
    long = "plum violin harbour 41 " * 5
    assert (await change(service, "user_9", long + "a"))["errors"] == []
    assert await fits(service, 9, long + "a")
    assert not await fits(service, 9, long + "b")


async def test_a_stranger_is_told_the_same_whoever_they_ask_for(service: Service) -> None:
    await service.write("UPDATE users SET state = 'DEACTIVATED' WHERE id = 8")
    await service.write(
        "UPDATE users SET provider_id = 2, ldap_provider_id = 2, login_dn = 'cn=o', login_dn_key = 'cn=o' WHERE id = 4"
    )
    await service.data('mutation { inviteUsers(input: {users: [{email: "a@x.test"}]}) { errors { code } } }')
    before = await service.snapshot()
    silent = [
        await request(service, email, who=who)
        for who in (None, "normal")
        for email in (
            "nobody@x.test",
            "no address",
            "member@usergraph.test",
            "normal@usergraph.test",
            "robot@usergraph.test",
            "a@x.test",
        )
    ]
    assert await service.snapshot() == before
    known = await request(service, "OUTSIDER@usergraph.test", who=None)
    assert known == {"accepted": True, "link": None, "expiresAt": None, "errors": []}
    assert silent == [known] * 12
    assert await service.rows("SELECT user_id, created_by_id FROM password_resets") == [(9, None)]
    letters = "SELECT kind, to_address, link FROM letters WHERE user_id = 9"
    ((kind, to, sealed),) = await service.rows(letters)
    assert (kind, to) == ("PASSWORD_RESET", "outsider@usergraph.test")
    link = service.app.state.services.sealer.open(sealed)
    assert link is not None
    assert link.startswith("http://127.0.0.1:8000/password-reset#ugr_")
    assert (await events(service, 9))[-1] == ("PASSWORD_RESET_REQUESTED", None, {})
    assert (await reset(service, link.split("#")[1]))["user"] == {
        "id": "user_9",
        "username": "outsider",
        "hasValidPassword": True,
    }


async def test_an_administrator_gets_the_link_and_the_reasons(service: Service) -> None:
    await service.write("UPDATE users SET state = 'DEACTIVATED' WHERE id = 8")
    dry = await request(service, "outsider@usergraph.test", dryRun=True)
    assert (dry["accepted"], dry["link"], dry["errors"]) == (True, None, [])
    assert await service.scalar("SELECT COUNT(*) FROM letters") == 0
    answer = await request(service, "outsider@usergraph.test", who="it")
    assert (answer["accepted"], answer["errors"]) == (True, [])
    assert answer["link"].startswith("http://127.0.0.1:8000/password-reset#ugr_")
    assert answer["expiresAt"].endswith("Z")
    assert (await events(service, 9))[-1] == ("PASSWORD_RESET_REQUESTED", "it", {})
    before = await service.snapshot()
    for email, who, code in (
        ("nobody@x.test", "admin", "NOT_FOUND"),
        ("member@usergraph.test", "admin", "WRONG_STATE"),
        ("robot@usergraph.test", "admin", "PASSWORD_NOT_LOCAL"),
        ("admin@usergraph.example", "it", "USER_TOO_HEAVY"),
    ):
        refused = await request(service, email, who=who)
        assert (refused["accepted"], refused["link"]) == (False, None)
        assert [(e["code"], e["path"]) for e in refused["errors"]] == [(code, ["email"])]
    assert await service.snapshot() == before


async def test_a_reset_sets_one_password_once(service: Service) -> None:
    await open_session(service, 9)
    token = await token_for(service, "outsider@usergraph.test")
    stored = await service.rows("SELECT token_digest, closed_at FROM password_resets")
    assert stored[0][1] is None
    assert token not in stored[0]
    for given, code in ((token, "WEAK_PASSWORD"), ("", "INVALID_TOKEN"), ("ugr_guess", "INVALID_TOKEN")):
        refused = await reset(service, given, "short" if code == "WEAK_PASSWORD" else NEW)
        assert codes(refused["errors"]) == [code]
    before = await service.snapshot()
    dry = await reset(service, token, dryRun=True)
    assert await service.snapshot() == before
    real = await reset(service, token)
    assert dry == real
    assert real == {"user": {"id": "user_9", "username": "outsider", "hasValidPassword": True}, "errors": []}
    assert await fits(service, 9, NEW)
    assert await open_sessions(service, 9) == 0
    assert await service.scalar("SELECT COUNT(*) FROM letters") == 0
    assert (await events(service, 9))[-1] == ("PASSWORD_RESET", "outsider", {})
    before = await service.snapshot()
    assert codes((await reset(service, token, OTHER))["errors"]) == ["INVALID_TOKEN"]
    assert await service.snapshot() == before


async def test_a_reset_token_that_is_not_good_any_more_says_only_that(service: Service) -> None:
    email = "outsider@usergraph.test"
    replaced = await token_for(service, email)
    expired = await token_for(service, email)
    await service.write("UPDATE password_resets SET expires_at = created_at WHERE closed_at IS NULL")
    off = await token_for(service, "member@usergraph.test")
    await service.write("UPDATE users SET state = 'DEACTIVATED' WHERE id = 8")
    moved = await token_for(service, "pm@usergraph.test")
    document = 'mutation { convertUsers(input: {conversions: [{id: "user_3", to: {saml: {}}}]}) { errors { code } } }'
    await service.data(document)
    invited = await service.data("""mutation { inviteUsers(input: {users: [{email: "a@x.test"}]}) {
      results { invitation { link } } } }""")
    other = invited["inviteUsers"]["results"][0]["invitation"]["link"].split("#")[1]
    before = await service.snapshot()
    answers = [await reset(service, token) for token in (replaced, expired, off, moved, other, replaced[:-1])]
    assert (answers[0]["user"], codes(answers[0]["errors"])) == (None, ["INVALID_TOKEN"])
    assert answers == [answers[0]] * 6
    assert await service.snapshot() == before


async def test_the_name_of_its_owner_is_no_password_here_either(service: Service) -> None:
    token = await token_for(service, "outsider@usergraph.test")
    refused = await reset(service, token, "OUTSIDER@usergraph.test")
    assert [(e["code"], e["path"]) for e in refused["errors"]] == [("WEAK_PASSWORD", ["newPassword"])]


async def test_a_reset_lasts_as_long_as_the_setting_says(service_with: Any) -> None:
    async with service_with(reset_minutes=5, public_url="https://people.example") as service:
        answer = await request(service, "outsider@usergraph.test")
        assert answer["link"].startswith("https://people.example/password-reset#")
        differing = {
            "sqlite": "SELECT ROUND((julianday(expires_at) - julianday(created_at)) * 1440) FROM password_resets",
            "postgres": "SELECT EXTRACT(EPOCH FROM expires_at - created_at) / 60 FROM password_resets",
        }
        assert await service.scalar(differing[service.dialect]) == 5
