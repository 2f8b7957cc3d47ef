"""Converting oneself to a directory: whoever may not convert others proves that the entry is theirs."""

from typing import Any

import pytest

from tests.converting import identity
from tests.hostile import hostile, silent
from tests.service import Service, codes
from tests.signing_in import sign_in
from tests.slapd import JANE, LEE, Slapd
from tests.slapd import PASSWORD as IN_DIRECTORY
from tests.test_convert_to_ldap import GHOST, configure, to

CONVERT = """mutation($input: ConvertUsersInput!) { convertUsers(input: $input) { errors { code }
  results { action checkedBy errors { code message path index } } } }"""
PASSWORD = ["conversions", "0", "directoryPassword"]


async def myself(
    service: Service,
    dn: str = JANE,
    password: str | None = None,
    *,
    who: str = "normal",
    user: str = "user_4",
    **more: Any,
) -> Any:
    """The result of converting oneself."""
    row = {"id": user, "to": more.pop("to", to(dn)), **({} if password is None else {"directoryPassword": password})}
    answer = (await service.data(CONVERT, {"input": {"conversions": [row], **more}}, who=who))["convertUsers"]
    assert answer["errors"] == []
    return answer["results"][0]


@pytest.mark.parametrize("verify", ["FIND", "NONE"])
@pytest.mark.parametrize("who", [("normal", "user_4"), ("pm", "user_3"), ("readonly", "user_5")])
async def test_nobody_takes_an_entry_unproved(
    service: Service, slapd: Slapd, verify: str, who: tuple[str, str]
) -> None:
    await configure(service, **slapd.settings())
    before = await service.snapshot()
    both = {"saml": {"identityProviderId": "provider_4", "provisionedBy": to(JANE)["ldap"]}}
    for more in ({}, {"dn": GHOST}, {"to": both}, {"password": IN_DIRECTORY}, {"dryRun": True}):
        result = await myself(service, who=who[0], user=who[1], verify=verify, **more)
        (error,) = result["errors"]
        assert (result["action"], result["checkedBy"]) == ("FAILED", None)
        assert (error["code"], error["path"], error["index"]) == ("FORBIDDEN", ["verify"], 0)
        assert "send verify: BIND and directoryPassword" in error["message"]
    assert await service.snapshot() == before


async def test_bind_is_what_is_meant(service: Service, slapd: Slapd) -> None:
    await configure(service, **slapd.settings())
    for dn, password, code in (
        (JANE, None, "REQUIRED"),
        (JANE, "", "REQUIRED"),
        (JANE, "wrong", "WRONG_PASSWORD"),
        (GHOST, IN_DIRECTORY, "WRONG_PASSWORD"),
    ):
        result = await myself(service, dn, password)
        assert [(e["code"], e["path"]) for e in result["errors"]] == [(code, PASSWORD)]
    assert (await identity(service, 4))[0] == 1
    assert await myself(service, password=IN_DIRECTORY) == {"action": "UPDATED", "checkedBy": "BIND", "errors": []}
    assert (await identity(service, 4))[:3] == (2, 2, JANE)
    # What was proved is known from the first, and what is so already needs no proof.
    assert (await service.scalar("SELECT entry_id FROM users WHERE id = 4")).startswith("entryuuid:")
    for verify in ("FIND", "NONE", "BIND"):
        assert (await myself(service, verify=verify))["action"] == "UNCHANGED"
    assert (await sign_in(service, "normal", IN_DIRECTORY))["errors"] == []
    assert codes((await myself(service, LEE, verify="FIND"))["errors"]) == ["FORBIDDEN"]


async def test_the_entry_that_provisions_is_proved_too(service: Service, slapd: Slapd) -> None:
    await configure(service, **slapd.settings())
    both = {"saml": {"identityProviderId": "provider_4", "provisionedBy": to(JANE)["ldap"]}}
    assert codes((await myself(service, to=both))["errors"]) == ["REQUIRED"]
    assert (await myself(service, to=both, password=IN_DIRECTORY))["checkedBy"] == "BIND"


async def test_who_converts_others_converts_themselves_as_before(service: Service, slapd: Slapd) -> None:
    await configure(service, **slapd.settings())
    for more, by in (({"dryRun": True}, "FIND"), ({"verify": "NONE", "dryRun": True}, "NONE"), ({}, "FIND")):
        result = await myself(service, who="it", user="user_2", **more)
        assert (result["action"], result["checkedBy"]) == ("UPDATED", by)
    assert await service.scalar("SELECT entry_id FROM users WHERE id = 2") is None


async def test_a_directory_without_settings_proves_nothing(service: Service) -> None:
    """Others are moved before a server is set up; nobody takes an entry of it for themselves."""
    before = await service.snapshot()
    result = await myself(service, password="any", verify="BIND")
    assert codes(result["errors"]) == ["PROVIDER_UNREACHABLE"]
    assert "NONE" not in result["errors"][0]["message"]
    assert await service.snapshot() == before
    for verify in ({"verify": "NONE"}, {"verify": "FIND"}, {}):
        result = await myself(service, **verify)
        assert codes(result["errors"]) == ["PROVIDER_UNREACHABLE"]
    assert await service.snapshot() == before


async def test_a_directory_that_does_not_answer_lets_nobody_off(service: Service, slapd: Slapd) -> None:
    async with hostile(silent) as port:
        await configure(service, **slapd.settings(urls=[f"ldaps://localhost:{port}"], receiveSeconds=1))
        result = await myself(service, password=IN_DIRECTORY)
    assert codes(result["errors"]) == ["PROVIDER_UNREACHABLE"]
    assert "Try again later" in result["errors"][0]["message"]
    assert (await identity(service, 4))[0] == 1
