"""Who a name id belongs to: only who was joined to it, by a match that is allowed, an invitation, or their own act."""

import html
import json
from typing import Any

import pytest

from models.values import now
from resolvers.sign_in_saml import NOT_BEGUN
from tests.cast import PASSWORD
from tests.mutations import ask
from tests.saml_responses import Idp, begin, begin_by_form, post, request_in, saml_user, stored
from tests.service import Service, changed
from tests.test_saml import me


async def invited(service: Service, email: str = "new@x.test", provider: str = "provider_4") -> tuple[int, str]:
    """A user invited through the SAML provider: their number, and the token of the link."""
    given = {"users": [{"email": email, "identityProviderId": provider}]}
    answer = await ask(service, "inviteUsers", given, "results { user { id } invitation { link } errors { message } }")
    row = answer["results"][0]
    assert row["errors"] == []
    return int(row["user"]["id"].removeprefix("user_")), row["invitation"]["link"].split("#")[1]


async def signed_in(service: Service, username: str) -> None:
    """A session of a local user in the browser."""
    given = {"username": username, "password": PASSWORD}
    answer = await ask(service, "signIn", given, "session { token } errors { code }", who=None)
    assert answer["errors"] == []
    service.client.cookies.set("usergraph_session", answer["session"]["token"], domain="usergraph.test")


async def request_of(answer: Any) -> str:
    assert answer.status_code == 303, answer.text
    return str(request_in(answer.headers["location"]).get("ID"))


async def identity(service: Service, user: int) -> tuple[Any, ...]:
    return (await service.rows("SELECT provider_id, name_id, state FROM users WHERE id = $1", user))[0]


@pytest.mark.parametrize(
    ("matches", "column"), [("USERNAME", "username"), ("EMAIL", "email"), ("EXTERNAL_ID", "external_id")]
)
async def test_a_user_of_the_provider_is_matched_once(service: Service, matches: str, column: str) -> None:
    idp = Idp()
    await idp.configure(service, nameIdMatches=matches)
    user = await saml_user(service, "normal")
    await service.write(f"UPDATE users SET {column} = 'Ada@x.test' WHERE id = $1", user)
    # Letter by letter: neither another case, nor a part.
    for other in ("ada@x.test", "Ada@x.tes"):
        assert (await post(service, idp.response(await begin(service), name_id=other))).status_code == 403
    assert (await post(service, idp.response(await begin(service), name_id="Ada@x.test"))).status_code == 303
    assert await identity(service, user) == (4, "Ada@x.test", "ACTIVE")
    assert await changed(service, f"user_{user}") == ["UPDATED", "SIGNED_IN"]
    # From now on it is the name id alone that counts.
    await service.write(f"UPDATE users SET {column} = 'other@x.test' WHERE id = $1", user)
    assert (await post(service, idp.response(await begin(service), name_id="Ada@x.test"))).status_code == 303
    assert (await post(service, idp.response(await begin(service), name_id="other@x.test"))).status_code == 403


@pytest.mark.parametrize("matches", ["NONE", "USERNAME", "EMAIL", "EXTERNAL_ID"])
async def test_users_of_other_providers_are_never_matched(service: Service, matches: str) -> None:
    """A local administrator's address, name and external id in a response sign nobody in."""
    idp = Idp()
    await idp.configure(service, nameIdMatches=matches)
    await service.set_external_id(1, "e1")
    email = await service.scalar("SELECT email FROM users WHERE username_key = 'admin'")
    for name_id in ("admin", email, "e1"):
        response = idp.response(await begin(service), name_id=name_id)
        before = await stored(service)
        assert (await post(service, response)).status_code == 403
        assert await stored(service) == before


async def test_nobody_is_matched_where_the_provider_does_not_say_so(service: Service) -> None:
    idp = Idp()
    await idp.configure(service)
    await saml_user(service, "normal")
    assert (await post(service, idp.response(await begin(service), name_id="normal"))).status_code == 403


@pytest.mark.parametrize("state", ["DEACTIVATED", "INVITED"])
async def test_only_active_users_come_in(service: Service, state: str) -> None:
    """Told as those are whom nobody knows."""
    idp = Idp()
    await idp.configure(service, nameIdMatches="USERNAME")
    await saml_user(service, "normal", name_id="ada")
    await saml_user(service, "readonly")
    await service.write("UPDATE users SET state = $1 WHERE username_key IN ('normal', 'readonly')", state)
    pages = set()
    for name_id in ("ada", "readonly", "nobody"):
        response = idp.response(await begin(service), name_id=name_id)
        before = await stored(service)
        answer = await post(service, response)
        assert answer.status_code == 403
        assert await stored(service) == before
        pages.add(answer.text.partition("Request")[0])
    assert len(pages) == 1


async def test_two_providers_with_one_name_id_are_two_people(service: Service) -> None:
    one = Idp()
    await one.configure(service)
    made = 'mutation { createIdentityProvider(input: {name: "Two", prefix: "two", kind: SAML}) { errors { code } } }'
    await service.data(made)
    number = await service.scalar("SELECT id FROM identity_providers WHERE prefix = 'two'")
    two = Idp("two", "https://two.example.com", "two", f"provider_{number}")
    await two.configure(service)
    await saml_user(service, "normal", name_id="ada")
    await saml_user(service, "readonly", provider=number, name_id="ada")
    assert (await post(service, one.response(await begin(service)))).status_code == 303
    assert await me(service) == "normal"
    assert (await post(service, two.response(await begin(service, "two")), "two")).status_code == 303
    assert await me(service) == "readonly"


async def test_an_invitation_does_not_join_who_comes_with_another_name_id(service: Service) -> None:
    """The provider knows the invited user already; who has the link only has the link."""
    idp = Idp()
    await idp.configure(service)
    user, token = await invited(service)
    await service.write("UPDATE users SET name_id = 'newcomer' WHERE id = $1", user)
    for name_id, status in (("somebody", 403), ("newcomer", 303)):
        begun = await begin_by_form(service, {"invitation": token})
        answer = await post(service, idp.response(await request_of(begun), name_id=name_id))
        assert answer.status_code == status, answer.text
        assert await identity(service, user) == (4, "newcomer", "INVITED" if status == 403 else "ACTIVE")


async def test_an_invitation_joins_who_comes_by_it(service: Service) -> None:
    idp = Idp()
    await idp.configure(service)
    user, token = await invited(service)
    begun = await begin_by_form(service, {"invitation": token, "returnTo": "/welcome"})
    response = idp.response(await request_of(begun), name_id="newcomer")
    assert token not in str(begun.headers)
    assert await identity(service, user) == (4, None, "INVITED")
    answer = await post(service, response)
    assert (answer.status_code, answer.headers["location"]) == (303, "/welcome"), answer.text
    assert await identity(service, user) == (4, "newcomer", "ACTIVE")
    assert await changed(service, f"user_{user}") == ["INVITED", "INVITATION_ACCEPTED", "UPDATED", "SIGNED_IN"]
    assert await service.rows("SELECT state FROM invitations") == [("ACCEPTED",)]
    # The link works once, and the name id from now on.
    assert (await begin_by_form(service, {"invitation": token})).status_code == 403
    assert (await post(service, idp.response(await begin(service), name_id="newcomer"))).status_code == 303


@pytest.mark.parametrize("mutation", ["revokeInvitations", "resendInvitations"])
async def test_an_invitation_that_is_taken_back_or_sent_again_meanwhile(service: Service, mutation: str) -> None:
    """Who is on their way with the old link, which may have been somebody else's find, is turned back."""
    idp = Idp()
    await idp.configure(service)
    user, token = await invited(service)
    response = idp.response(await request_of(await begin_by_form(service, {"invitation": token})), name_id="newcomer")
    number = await service.scalar("SELECT id FROM invitations")
    await ask(service, mutation, {"ids": [f"invitation_{number}"]}, "errors { code }")
    before = await stored(service)
    assert (await post(service, response)).status_code == 403
    assert await stored(service) == before
    assert await identity(service, user) == (4, None, "INVITED")


async def test_invitations_that_lead_nowhere(service: Service) -> None:
    """Unknown, for another provider, expired; and a form that another site sends."""
    await Idp().configure(service)
    _, token = await invited(service)
    _, local = await invited(service, "local@x.test", "provider_1")
    for wrong in ("nonsense", local, ""):
        answer = await begin_by_form(service, {"invitation": wrong or "x"})
        assert answer.status_code == 403
        assert "This link is not valid any more" in answer.text
    for headers in ({"sec-fetch-site": "cross-site"}, {"origin": "https://evil.example"}, {}):
        answer = await service.client.post("/saml/sso/login", data={"invitation": token}, headers=headers)
        assert answer.status_code == 403
        assert "another site" in answer.text
    await service.write("UPDATE invitations SET expires_at = $1", now())
    assert (await begin_by_form(service, {"invitation": token})).status_code == 403
    assert await service.rows("SELECT id FROM saml_requests") == []


async def test_an_invitation_cannot_take_somebody_elses_name_id(service: Service) -> None:
    idp = Idp()
    await idp.configure(service)
    await saml_user(service, "normal", name_id="ada")
    _, token = await invited(service)
    response = idp.response(await request_of(await begin_by_form(service, {"invitation": token})), name_id="ada")
    before = await stored(service)
    assert (await post(service, response)).status_code == 403
    assert await stored(service) == before


async def test_who_is_signed_in_joins_their_own_account(service: Service) -> None:
    idp = Idp()
    await idp.configure(service)
    user = int((await service.id_of("member")).removeprefix("user_"))
    await signed_in(service, "member")
    response = idp.response(await request_of(await begin_by_form(service, {"link": "1"})), name_id="ada")
    assert (await post(service, response)).status_code == 303
    assert await identity(service, user) == (4, "ada", "ACTIVE")
    assert await changed(service, f"user_{user}") == ["SIGNED_IN", "CONVERTED", "UPDATED", "SIGNED_IN"]
    assert await service.scalar("SELECT password_hash FROM users WHERE id = $1", user) is None
    assert await service.scalar("SELECT password_hash FROM previous_identities WHERE user_id = $1", user) is not None
    ended = await service.rows("SELECT ended_at IS NULL FROM sessions WHERE user_id = $1 ORDER BY id", user)
    assert [bool(row[0]) for row in ended] == [False, True]
    assert await me(service) == "member"
    service.client.cookies.clear()
    assert (await post(service, idp.response(await begin(service), name_id="ada"))).status_code == 303
    assert await me(service) == "member"


async def test_links_that_are_not_made(service: Service) -> None:
    """Without a session, with an old one, with one that ended meanwhile, and for the last administrator."""
    idp = Idp()
    await idp.configure(service)
    assert (await begin_by_form(service, {"link": "1"})).status_code == 403
    await signed_in(service, "member")
    response = idp.response(await request_of(await begin_by_form(service, {"link": "1"})), name_id="ada")
    await service.write("UPDATE sessions SET ended_at = $1", now())
    before = await stored(service)
    assert (await post(service, response)).status_code == 403
    assert await stored(service) == before
    await signed_in(service, "outsider")
    await service.write("UPDATE sessions SET created_at = '2020-01-01T00:00:00+00:00' WHERE ended_at IS NULL")
    answer = await begin_by_form(service, {"link": "1"})
    assert (answer.status_code, "Sign in again first" in answer.text) == (403, True)
    assert await service.rows("SELECT id FROM users WHERE provider_id = 4") == []


@pytest.mark.parametrize(
    "over",
    [
        "ended_at = '2026-01-01 00:00:00+00:00'",
        "expires_at = '2026-01-01 00:00:00+00:00'",
        "created_at = '2020-01-01 00:00:00+00:00', last_used_at = NULL",
        "last_used_at = '2020-01-01 00:00:00+00:00'",
    ],
)
async def test_only_the_session_that_began_the_link_ends_it(service: Service, over: str) -> None:
    """Open, unexpired and not idle; another one of the same user, however fresh, does not stand in for it."""
    idp = Idp()
    await idp.configure(service)
    await signed_in(service, "member")
    await signed_in(service, "member")
    first, second = [row[0] for row in await service.rows("SELECT id FROM sessions ORDER BY id")]
    response = idp.response(await request_of(await begin_by_form(service, {"link": "1"})), name_id="ada")
    assert await service.rows("SELECT session_id FROM saml_requests") == [(second,)]
    await service.write(f"UPDATE sessions SET {over} WHERE id = $1", second)
    before = await stored(service)
    answer = await post(service, response)
    assert (answer.status_code, NOT_BEGUN in html.unescape(answer.text)) == (403, True)
    assert await stored(service) == before
    assert await service.scalar("SELECT ended_at FROM sessions WHERE id = $1", first) is None
    user = int((await service.id_of("member")).removeprefix("user_"))
    assert await identity(service, user) == (1, None, "ACTIVE")


async def test_a_link_outlives_the_other_sessions_of_its_user(service: Service) -> None:
    idp = Idp()
    await idp.configure(service)
    await signed_in(service, "member")
    await signed_in(service, "member")
    response = idp.response(await request_of(await begin_by_form(service, {"link": "1"})), name_id="ada")
    await service.write("DELETE FROM sessions WHERE id = (SELECT MIN(id) FROM sessions)")
    assert (await post(service, response)).status_code == 303
    # Who merely signs in begins with no session, whoever is signed in.
    await begin(service)
    assert await service.rows("SELECT session_id, purpose FROM saml_requests ORDER BY id DESC LIMIT 1") == [
        (None, "SIGN_IN")
    ]


async def test_the_last_administrator_is_not_linked(service: Service) -> None:
    idp = Idp()
    await idp.configure(service)
    known = await service.scalar("SELECT password_hash FROM users WHERE username_key = 'member'")
    await service.write("UPDATE users SET password_hash = $1 WHERE username_key = 'admin'", known)
    await signed_in(service, "admin")
    response = idp.response(await request_of(await begin_by_form(service, {"link": "1"})), name_id="ada")
    before = await stored(service)
    answer = await post(service, response)
    assert answer.status_code == 403
    assert "no active administrator" in answer.text
    assert await stored(service) == before


async def test_keys_end_with_a_match_of_the_provider_and_stay_with_a_link_of_ones_own(service: Service) -> None:
    """By a match the identity provider says who answers for the account; by a link its user has proved it."""
    idp = Idp()
    await idp.configure(service, nameIdMatches="USERNAME")
    matched = await saml_user(service, "normal")
    open_keys = "SELECT COUNT(*) FROM api_keys WHERE user_id = $1 AND revoked_at IS NULL"
    assert await service.scalar(open_keys, matched) == 1
    assert (await post(service, idp.response(await begin(service), name_id="normal"))).status_code == 303
    assert await service.scalar(open_keys, matched) == 0
    changes = "SELECT changes FROM audit_events WHERE subject_id = $1 AND action = 'UPDATED' ORDER BY id DESC LIMIT 1"
    assert json.loads(await service.scalar(changes, matched)) == {"nameId": [None, "normal"], "openApiKeys": [1, 0]}
    service.client.cookies.clear()
    linked = int((await service.id_of("pm")).removeprefix("user_"))
    await signed_in(service, "pm")
    response = idp.response(await request_of(await begin_by_form(service, {"link": "1"})), name_id="ada")
    assert (await post(service, response)).status_code == 303
    assert await identity(service, linked) == (4, "ada", "ACTIVE")
    assert await service.scalar(open_keys, linked) == 1


async def test_an_organizations_administrator_names_no_name_id_for_themselves(service: Service) -> None:
    to = {"saml": {"identityProviderId": "provider_4", "nameId": "chief"}}
    for verify in ({}, {"verify": "NONE"}):
        given = {"conversions": [{"id": "user_6", "to": to}], **verify}
        answer = await ask(service, "convertUsers", given, "results { errors { code path } }", who="orgadmin")
        path = ["conversions", "0", "to", "saml", "nameId"]
        assert answer["results"] == [{"errors": [{"code": "FORBIDDEN", "path": path}]}]
    assert await identity(service, 6) == (1, None, "ACTIVE")
