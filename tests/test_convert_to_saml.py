"""Converting to SAML: which name id will match is said first, and whose it is, is settled then."""

from typing import Any

import pytest

from tests.calls import change, refused
from tests.cast import PASSWORD
from tests.converting import LOCAL, SAML, convert, events, identity, name_id, one
from tests.mutations import ask
from tests.saml_responses import Idp, begin, begin_by_form, post, request_in
from tests.service import Service, codes
from tests.test_saml import me
from tests.test_saml_joining import invited

JANE: dict[str, Any] = {"saml": {"nameId": "jane@idp"}}
PATH = ["conversions", "0", "to", "saml", "nameId"]


async def outlook(service: Service, to: Any = SAML, user: str = "user_8") -> tuple[Any, str]:
    """The name id and the reason of a dry run, which must be those of the call itself."""
    result = await one(service, to, user, dryRun=True)
    assert result["errors"] == []
    found = result["nameIdMatch"]
    return found["nameId"], found["reason"]


async def test_a_name_id_that_is_given_signs_in(service: Service) -> None:
    idp = Idp()
    await idp.configure(service)
    before = await service.snapshot()
    dry = await one(service, {"saml": {"nameId": "  jane@idp "}}, dryRun=True)
    assert await service.snapshot() == before
    real = await one(service, {"saml": {"nameId": "  jane@idp "}})
    assert dry == real
    assert real["nameIdMatch"] == {"nameId": "jane@idp", "reason": "This is their name id at Single sign-on."}
    assert ("nameId" in real["changedFields"], real["checkedBy"]) == (True, None)
    assert (await events(service))[-1][1]["nameId"] == [None, "jane@idp"]
    assert (await post(service, idp.response(await begin(service), name_id="Jane@idp"))).status_code == 403
    assert (await post(service, idp.response(await begin(service), name_id="jane@idp"))).status_code == 303
    assert await me(service) == "member"


@pytest.mark.parametrize(
    ("matches", "expected"),
    [("USERNAME", "member"), ("EMAIL", "member@usergraph.test"), ("EXTERNAL_ID", "hr-8")],
)
async def test_what_the_provider_matches_is_told_and_comes_true(service: Service, matches: str, expected: str) -> None:
    idp = Idp()
    await idp.configure(service, nameIdMatches=matches)
    await service.set_external_id(8, "hr-8")
    found, reason = await outlook(service)
    assert found == expected
    assert "at the first sign-in" in reason
    await one(service, SAML)
    assert await name_id(service) is None
    assert (await post(service, idp.response(await begin(service), name_id=expected))).status_code == 303
    assert (await me(service), await name_id(service)) == ("member", expected)


async def test_where_nothing_will_match_the_reason_is_told(service: Service) -> None:
    found, reason = await outlook(service)
    assert (found, "no settings yet" in reason, "/saml/sso/login" in reason) == (None, True, True)
    idp = Idp()
    await idp.configure(service)
    found, reason = await outlook(service)
    assert (found, "nameIdMatches is NONE" in reason) == (None, True)
    await idp.configure(service, nameIdMatches="EXTERNAL_ID")
    found, reason = await outlook(service)
    assert (found, "this user has none" in reason) == (None, True)
    await idp.configure(service, nameIdMatches="USERNAME")
    await service.write("UPDATE users SET state = 'DEACTIVATED' WHERE id = 8")
    found, reason = await outlook(service)
    assert (found, "active users only" in reason) == (None, True)
    await service.write("UPDATE users SET provider_id = 4, name_id = 'member' WHERE id = 9")
    found, reason = await outlook(service)
    assert (found, "somebody else" in reason) == (None, True)


async def test_a_name_id_stands_as_long_as_its_provider(service: Service) -> None:
    await one(service, JANE)
    again = await one(service, SAML)
    assert (again["action"], again["nameIdMatch"]["nameId"]) == ("UNCHANGED", "jane@idp")
    ldap = {"serverNumber": 1, "loginDn": "cn=jane,dc=x"}
    both = await one(service, {"saml": {"provisionedBy": ldap}})
    assert (both["errors"], both["lost"], await name_id(service)) == ([], ["sessions"], "jane@idp")
    other = await one(service, {"saml": {"nameId": "j.doe", "provisionedBy": ldap}})
    assert (other["changedFields"], await name_id(service)) == (["nameId"], "j.doe")
    cleared = await one(service, {"saml": {"nameId": None, "provisionedBy": ldap}})
    assert (cleared["lost"], await name_id(service)) == (["sessions", "nameId"], None)
    await one(service, JANE)
    await service.write(
        "INSERT INTO identity_providers (name, name_key, prefix, kind, is_enabled, created_at, updated_at)"
        " SELECT 'Two', 'two', 'two', 'SAML', TRUE, created_at, updated_at FROM users WHERE id = 1"
    )
    two = await service.scalar("SELECT id FROM identity_providers WHERE prefix = 'two'")
    moved = await one(service, {"saml": {"identityProviderId": f"provider_{two}"}})
    assert (moved["lost"], await name_id(service), (await identity(service))[0]) == (["sessions", "nameId"], None, two)
    for to in ({"ldap": ldap}, LOCAL):
        await one(service, JANE)
        assert (await one(service, to))["lost"] == ["sessions", "nameId"]
        assert await name_id(service) is None


@pytest.mark.parametrize("text", ["", "  ", "a\nb", "x" * 1_025, "a\u202eb"])
async def test_what_is_no_name_id_is_refused(service: Service, text: str) -> None:
    before = await service.snapshot()
    result = await one(service, {"saml": {"nameId": text}})
    assert [(e["code"], e["path"]) for e in result["errors"]] == [("INVALID", PATH)]
    assert await service.snapshot() == before


async def test_a_name_id_is_one_users(service: Service) -> None:
    """At one provider: at another the same text is somebody else's."""
    await one(service, JANE)
    before = await service.snapshot()
    result = await one(service, JANE, "user_9")
    assert [(e["code"], e["path"]) for e in result["errors"]] == [("TAKEN", PATH)]
    both = {"saml": {"nameId": "two"}}
    results = (await convert(service, ("user_4", both), ("user_9", both)))["results"]
    assert [(e["code"], e["path"]) for e in results[1]["errors"]] == [("DUPLICATE", ["conversions", "1", *PATH[2:]])]
    saml = {"authentication": JANE, "email": "a@x.test"}
    given = {**saml, "username": "a", "name": "A", "role": {"name": "IT"}}
    for name, row, path in (
        ("createUser", given, ["authentication", "saml", "nameId"]),
        ("upsertUsers", {"users": [saml]}, ["users", "0", "authentication", "saml", "nameId"]),
    ):
        payload = await change(service, name, row)
        (error,) = payload["errors"] or payload["results"][0]["errors"]
        assert (error["code"], error["path"]) == ("TAKEN", path), name
    assert await service.snapshot() == before
    assert (
        await refused(service, "upsertUsers", {"users": [{**saml, "authentication": {"saml": {"nameId": "a"}}}]}) == ""
    )
    assert await service.rows("SELECT name_id FROM users WHERE name_id IS NOT NULL ORDER BY id") == [
        ("jane@idp",),
        ("a",),
    ]


async def test_nobody_claims_a_name_id_for_themselves(service: Service) -> None:
    """Who did would sign in somebody else as themselves, and keep them out: they prove it to the provider instead."""
    before = await service.snapshot()
    for who in ("normal", "readonly"):
        result = await one(service, JANE, await service.id_of(who), who=who, shown="")
        assert [(e["code"], e["path"]) for e in result["errors"]] == [("FORBIDDEN", PATH)]
    assert await service.snapshot() == before
    assert (await one(service, SAML, await service.id_of("normal"), who="normal", shown=""))["errors"] == []
    # Whoever names one signs in as that user, so that it takes that user's rights.
    clerk = ["USE_SELF_SERVICE", "CONVERT_USERS"]
    given = {"name": "Clerk", "weight": 100, "permissions": clerk}
    role = (await change(service, "createRole", given, more="role { id }"))["role"]["id"]
    await service.write("UPDATE users SET role_id = $1 WHERE username = 'pm'", int(role.removeprefix("role_")))
    row = {"conversions": [{"id": await service.id_of("it"), "to": JANE}]}
    assert await refused(service, "convertUsers", row, who="pm") == "RIGHTS_TOO_WIDE"


async def test_who_is_invited_through_a_provider_joins_there(service: Service) -> None:
    idp = Idp()
    user, token = await invited(service)
    selection = "user { id state } errors { code message path }"
    await idp.configure(service)
    before = await service.snapshot()
    for given in ({"token": token}, {"token": token, "password": PASSWORD, "name": "Me"}):
        answer = await ask(service, "acceptInvitation", given, selection, who=None)
        assert [(e["code"], e["path"]) for e in answer["errors"]] == [("WRONG_STATE", ["token"])]
        assert "/saml/sso/login" in answer["errors"][0]["message"]
    assert await service.snapshot() == before
    begun = await begin_by_form(service, {"invitation": token})
    request = str(request_in(begun.headers["location"]).get("ID"))
    assert (await post(service, idp.response(request, name_id="newcomer"))).status_code == 303
    assert await name_id(service, user) == "newcomer"
    # What is used or late is told to nobody.
    answer = await ask(service, "acceptInvitation", {"token": token}, selection, who=None)
    assert codes(answer["errors"]) == ["INVALID_TOKEN"]
    _, late = await invited(service, "late@x.test")
    await service.write("UPDATE invitations SET expires_at = created_at")
    answer = await ask(service, "acceptInvitation", {"token": late}, selection, who=None)
    assert codes(answer["errors"]) == ["INVALID_TOKEN"]
