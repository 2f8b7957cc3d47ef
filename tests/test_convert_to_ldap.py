"""Converting to LDAP asks the directory first: a real server, one that hangs, and none that is set up yet."""

import asyncio
import time
from typing import Any

import pytest

from resolvers.connectors import ldap
from tests.converting import LOCAL, convert, identity, one
from tests.hostile import hostile, silent
from tests.service import Service, codes
from tests.signing_in import sign_in
from tests.slapd import BASE, JANE, LEE, NARROW, PEOPLE, READER, Slapd
from tests.slapd import PASSWORD as IN_DIRECTORY
from tests.test_sign_in_ldap import UPDATE

GHOST = f"uid=nobody,{PEOPLE}"
HANGING = {"urls": ["ldap://127.0.0.1:1"]}


def to(dn: str, server: int = 1) -> dict[str, Any]:
    return {"ldap": {"serverNumber": server, "loginDn": dn}}


async def configure(service: Service, **ldap: Any) -> None:
    answer = await service.data(UPDATE, {"input": {"id": "provider_2", "ldap": ldap}})
    assert answer["updateIdentityProvider"]["errors"] == []


def told(result: Any) -> list[tuple[str, list[str]]]:
    return [(error["code"], error["path"]) for error in result["errors"]]


async def test_who_is_found_is_converted_and_signs_in_there(service: Service, slapd: Slapd) -> None:
    await configure(service, **slapd.settings())
    before = await service.snapshot()
    dry = await one(service, to(JANE), dryRun=True)
    assert await service.snapshot() == before
    real = await one(service, to(JANE))
    assert dry == real
    assert (real["errors"], real["action"], real["checkedBy"], real["nameIdMatch"]) == ([], "UPDATED", "FIND", None)
    assert (await identity(service))[:3] == (2, 2, JANE)
    assert (await sign_in(service, "member", IN_DIRECTORY))["errors"] == []


@pytest.mark.parametrize("dn", [LEE, f"uid=björn,{PEOPLE}", JANE.upper(), JANE.replace(",", " , ")])
async def test_a_dn_is_found_however_it_is_written(service: Service, slapd: Slapd, dn: str) -> None:
    await configure(service, **slapd.settings())
    assert (await one(service, to(dn)))["errors"] == []


@pytest.mark.parametrize(
    "dn",
    [
        GHOST,
        f"ou=people,{BASE}",  # an entry, but none of the people
        READER,
        f"uid=jane,ou=elsewhere,{BASE}",  # a referral
        "cn=jane,dc=other,dc=test",
        f"uid=*,{PEOPLE}",
        f"nosuchattribute=jane,{PEOPLE}",
    ],
)
async def test_who_is_not_found_is_not_converted(service: Service, slapd: Slapd, dn: str) -> None:
    await configure(service, **slapd.settings())
    before = await service.snapshot()
    for more in ({}, {"dryRun": True}, {"verify": "FIND"}):
        result = await one(service, to(dn), **more)
        assert told(result) == [("NOT_FOUND", ["conversions", "0", "to", "ldap", "loginDn"])]
        assert "Main LDAP" in result["errors"][0]["message"]
        assert (result["action"], result["checkedBy"], result["lost"]) == ("FAILED", None, [])
    assert await service.snapshot() == before
    result = await one(service, to(dn), verify="NONE")
    assert (result["errors"], result["checkedBy"]) == ([], "NONE")


async def test_rows_that_are_found_pass_beside_rows_that_are_not(service: Service, slapd: Slapd) -> None:
    await configure(service, **slapd.settings())
    rows = (("user_8", to(JANE)), ("user_9", to(GHOST)), ("user_4", {"saml": {}}), ("user_5", to(LEE)))
    results = (await convert(service, *rows))["results"]
    assert [result["action"] for result in results] == ["SKIPPED", "FAILED", "SKIPPED", "SKIPPED"]
    results = (await convert(service, *rows, errorPolicy="REJECT_FAILED"))["results"]
    assert [result["action"] for result in results] == ["UPDATED", "FAILED", "UPDATED", "UPDATED"]
    assert [result["checkedBy"] for result in results] == ["FIND", None, None, "FIND"]
    assert told(results[1]) == [("NOT_FOUND", ["conversions", "1", "to", "ldap", "loginDn"])]


async def test_the_dn_that_provisions_a_saml_user_is_found_too(service: Service, slapd: Slapd) -> None:
    await configure(service, **slapd.settings())
    result = await one(service, {"saml": {"provisionedBy": to(GHOST)["ldap"]}})
    assert told(result) == [("NOT_FOUND", ["conversions", "0", "to", "saml", "provisionedBy", "loginDn"])]
    result = await one(service, {"saml": {"provisionedBy": to(JANE)["ldap"]}})
    assert (result["errors"], result["checkedBy"], result["user"]["isSaml"]) == ([], "FIND", True)


async def test_a_directory_that_does_not_answer_gets_nobody(
    service: Service, slapd: Slapd, caplog: pytest.LogCaptureFixture
) -> None:
    async with hostile(silent) as port:
        await configure(service, **slapd.settings(urls=[f"ldaps://localhost:{port}"]))
        before = await service.snapshot()
        begun = time.perf_counter()
        rows = (("user_8", to(JANE)), ("user_9", to(LEE)), ("user_4", {"saml": {}}))
        asked = asyncio.create_task(convert(service, *rows, errorPolicy="REJECT_FAILED", dryRun=True))
        # Nobody waits for it: the database is free meanwhile.
        assert (await one(service, LOCAL, user="user_5"))["action"] == "UNCHANGED"
        assert not asked.done()
        results = (await asked)["results"]
        assert time.perf_counter() - begun < 10
    assert [result["action"] for result in results] == ["FAILED", "FAILED", "UPDATED"]
    assert told(results[0]) == [("PROVIDER_UNREACHABLE", ["conversions", "0", "to", "ldap", "loginDn"])]
    # What is wrong with it is for who reads the log: anybody may convert themselves.
    assert str(port) not in results[0]["errors"][0]["message"]
    assert any("nobody can be converted to provider_2" in record.message for record in caplog.records)
    assert await service.snapshot() == before
    result = await one(service, to(JANE), verify="NONE")
    assert (result["errors"], result["checkedBy"]) == ([], "NONE")
    # What is so already needs no answer.
    result = await one(service, to(JANE))
    assert (result["action"], result["checkedBy"]) == ("UNCHANGED", "NONE")


@pytest.mark.parametrize(("verify", "code"), [("FIND", "PROVIDER_UNREACHABLE"), ("BIND", "PROVIDER_UNREACHABLE")])
async def test_without_settings_nobody_is_asked_unless_that_is_insisted_on(
    service: Service, verify: str, code: str
) -> None:
    before = await service.snapshot()
    assert codes((await one(service, to(JANE), verify=verify))["errors"]) == [code]
    assert await service.snapshot() == before
    result = await one(service, to(JANE))
    assert (result["errors"], result["checkedBy"]) == ([], "NONE")


async def test_who_converts_themselves_may_prove_the_entry_is_theirs(
    service: Service, slapd: Slapd, caplog: pytest.LogCaptureFixture
) -> None:
    await configure(service, **slapd.settings())

    async def bind(password: Any, dn: str = JANE, user: str = "user_4") -> Any:
        row = {"id": user, "to": to(dn), **({} if password is None else {"directoryPassword": password})}
        document = """mutation($input: ConvertUsersInput!) { convertUsers(input: $input) {
          results { action checkedBy errors { code path } } } }"""
        answer = await service.data(document, {"input": {"conversions": [row], "verify": "BIND"}}, who="normal")
        return answer["convertUsers"]["results"][0]

    path = ["conversions", "0", "directoryPassword"]
    for password, code in ((None, "REQUIRED"), ("", "REQUIRED"), ("wrong", "WRONG_PASSWORD")):
        result = await bind(password)
        assert (result["action"], told(result)) == ("FAILED", [(code, path)])
    assert told(await bind(IN_DIRECTORY, LEE.replace("Lee", "Nobody"))) == [("WRONG_PASSWORD", path)]
    assert await bind(IN_DIRECTORY) == {"action": "UPDATED", "checkedBy": "BIND", "errors": []}
    assert (await identity(service, 4))[:3] == (2, 2, JANE)
    kept = [str(rows) for rows in (await service.snapshot()).values()]
    assert not any(IN_DIRECTORY in text for text in (*kept, caplog.text))


async def test_a_directorys_passwords_are_not_guessed_by_conversions(service: Service, slapd: Slapd) -> None:
    """Each wrong one counts, as at a sign-in; and nobody proves an entry for somebody else."""
    await configure(service, **slapd.settings())
    row = {"id": "user_4", "to": to(JANE), "directoryPassword": "guess"}
    document = """mutation($input: ConvertUsersInput!) { convertUsers(input: $input) {
      results { errors { code } } } }"""
    given = {"conversions": [row], "verify": "BIND", "dryRun": True}
    seen = set()
    for _ in range(12):
        (result,) = (await service.data(document, {"input": given}, who="normal"))["convertUsers"]["results"]
        seen.update(codes(result["errors"]))
    assert seen == {"WRONG_PASSWORD", "WRONG_STATE"}
    given = {"conversions": [{**row, "directoryPassword": IN_DIRECTORY}], "verify": "BIND"}
    (result,) = (await service.data(document, {"input": given}))["convertUsers"]["results"]
    assert codes(result["errors"]) == ["INVALID"]


async def test_no_row_escapes_the_question(service: Service, slapd: Slapd) -> None:
    """Neither behind a row about the same number of another kind, nor behind one that is refused."""
    await configure(service, **slapd.settings())
    for first in (("group_8", to(JANE)), ("user_8", to("nonsense")), ("user_8", to(JANE, server=2))):
        rows = (first, ("user_8", to(GHOST)))
        results = (await convert(service, *rows, errorPolicy="REJECT_FAILED"))["results"]
        assert [result["action"] for result in results] == ["FAILED", "FAILED"], first
    assert (await identity(service))[0] == 1


async def test_a_directory_is_not_asked_for_who_may_not_convert(service: Service, slapd: Slapd) -> None:
    async with hostile(silent) as port:
        await configure(service, **slapd.settings(urls=[f"ldaps://localhost:{port}"]))
        begun = time.perf_counter()
        answer = await convert(service, ("user_9", to(JANE)), who="normal", shown="")
        assert codes(answer["errors"]) == ["FORBIDDEN"]
        assert time.perf_counter() - begun < 1


async def test_one_conversation_finds_many(slapd: Slapd) -> None:
    names = [f"uid={name},{PEOPLE}" for name in ("jane", "nobody", "twin1", "x,y")]
    assert await ldap.find_many(slapd.server(), names) == {names[0], names[2]}
    assert await ldap.find_many(slapd.server(), []) == set()
    assert await ldap.find_many(slapd.server(bind_dn=NARROW), names) == {names[0], names[2]}
