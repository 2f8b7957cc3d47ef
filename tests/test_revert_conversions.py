"""Taking conversions back: one by one, with the password unless a newer one is there."""

from tests.cast import PASSWORD
from tests.converting import DN, LDAP, LOCAL, SAML, events, furnish, identity, name_id, one, revert
from tests.service import Service, codes
from tests.signing_in import sign_in


async def test_a_conversion_is_taken_back_with_its_password(service: Service) -> None:
    await furnish(service)
    before = await identity(service)
    await one(service, LDAP)
    snapshot = await service.snapshot()
    dry = await revert(service, "user_8", dryRun=True)
    assert await service.snapshot() == snapshot
    real = await revert(service, "user_8")
    assert dry == real
    (result,) = real
    assert (result["index"], result["ref"], result["action"], result["errors"]) == (0, "user_8", "UPDATED", [])
    assert "identityProvider" in result["changedFields"]
    assert (result["user"]["isLdap"], result["user"]["loginDn"], result["user"]["hasValidPassword"]) == (
        False,
        None,
        True,
    )
    assert await identity(service) == before
    action, changes = (await events(service))[-1]
    assert action == "CONVERSION_REVERTED"
    assert ["Main LDAP", "Local passwords"] in changes.values()
    assert [DN, None] in changes.values()
    (again,) = await revert(service, "user_8")
    assert codes(again["errors"]) == ["WRONG_STATE"]


async def test_conversions_are_taken_back_one_by_one(service: Service) -> None:
    for to in (LDAP, SAML, LOCAL):
        await one(service, to)
    seen = []
    for _ in range(3):
        (result,) = await revert(service, "user_8")
        seen.append((result["user"]["isLdap"], result["user"]["isSaml"], result["user"]["hasValidPassword"]))
    assert seen == [(False, True, False), (True, False, False), (False, False, True)]


async def test_a_password_set_since_the_conversion_stays(service: Service) -> None:
    await one(service, SAML)
    await one(service, LOCAL)
    await service.data("""mutation { changePassword(input: {id: "user_8", newPassword: "amber ladder quiet 77"}) {
      errors { code } } }""")
    newer = (await identity(service))[3]
    assert newer is not None
    await revert(service, "user_8")
    await revert(service, "user_8")
    assert await identity(service) == (1, None, None, newer)


async def test_a_conversion_is_not_taken_back_to_where_nobody_gets_in(service: Service) -> None:
    await one(service, LDAP)
    await one(service, LOCAL)
    await service.write("UPDATE identity_providers SET is_enabled = FALSE WHERE id = 2")
    before = await service.snapshot()
    (result,) = await revert(service, "user_8")
    assert (result["action"], codes(result["errors"])) == ("FAILED", ["PROVIDER_DISABLED"])
    assert await service.snapshot() == before


async def test_a_dn_taken_meanwhile_stays_with_its_new_owner(service: Service) -> None:
    await one(service, LDAP)
    await one(service, LOCAL)
    await one(service, LDAP, user="user_9")
    (result,) = await revert(service, "user_8")
    assert (result["action"], codes(result["errors"])) == ("FAILED", ["TAKEN"])
    assert await identity(service) == (1, None, None, None)


async def test_a_password_that_was_replaced_between_does_not_come_back(service: Service) -> None:
    """Two passwords, each put away by a conversion: the newer one goes all the way back."""
    await one(service, SAML)
    await one(service, LOCAL)
    given = {"id": "user_8", "newPassword": "amber ladder quiet 77"}
    document = "mutation($input: ChangePasswordInput!) { changePassword(input: $input) { errors { code } } }"
    assert await service.data(document, {"input": given}) == {"changePassword": {"errors": []}}
    newer = (await identity(service))[3]
    for to in (LDAP, LOCAL):
        await one(service, to)
    assert (await identity(service))[3] is None
    seen = []
    for _ in range(4):
        (result,) = await revert(service, "user_8")
        assert result["errors"] == []
        seen.append((result["user"]["identityProvider"]["id"], result["user"]["hasValidPassword"]))
    assert seen == [("provider_2", False), ("provider_1", True), ("provider_4", False), ("provider_1", True)]
    assert (await identity(service))[3] == newer
    for password, expected in ((PASSWORD, ["INVALID_CREDENTIALS"]), ("amber ladder quiet 77", [])):
        answer = await sign_in(service, "member", password)
        assert codes(answer["errors"]) == expected


async def test_a_name_id_comes_back_with_its_provider(service: Service) -> None:
    await one(service, {"saml": {"nameId": "jane@idp"}})
    result = await one(service, LOCAL)
    assert (result["lost"], "nameId" in result["changedFields"]) == (["sessions", "nameId"], True)
    assert await name_id(service) is None
    assert await service.rows("SELECT name_id FROM previous_identities ORDER BY id") == [(None,), ("jane@idp",)]
    (back,) = await revert(service, "user_8")
    assert "nameId" in back["changedFields"]
    assert await name_id(service) == "jane@idp"
    assert (await events(service))[-1][1]["nameId"] == [None, "jane@idp"]
    await revert(service, "user_8")
    assert await name_id(service) is None


async def test_a_name_id_taken_meanwhile_stays_with_its_new_owner(service: Service) -> None:
    await one(service, {"saml": {"nameId": "jane@idp"}})
    await one(service, LOCAL)
    await one(service, {"saml": {"nameId": "jane@idp"}}, user="user_9")
    before = await service.snapshot()
    (result,) = await revert(service, "user_8")
    assert [(e["code"], e["path"]) for e in result["errors"]] == [("TAKEN", ["ids", "0", "nameId"])]
    assert await service.snapshot() == before


async def test_the_same_user_twice_is_taken_back_once(service: Service) -> None:
    await one(service, LDAP)
    await one(service, SAML)
    results = await revert(service, "user_8", "user_8", errorPolicy="REJECT_FAILED")
    assert [(r["action"], codes(r["errors"])) for r in results] == [("UPDATED", []), ("FAILED", ["DUPLICATE"])]
    assert (await identity(service))[0] == 2


async def test_an_administrator_taken_back_to_elsewhere_is_not_the_last_one(service: Service) -> None:
    """It would be by their directory that the last administrator gets in."""
    await service.write("UPDATE users SET role_id = 1 WHERE id = 3")
    for to in (LDAP, LOCAL):
        await one(service, to, user="user_1")
        await service.write("UPDATE api_keys SET revoked_at = NULL")  # one's own key ends with one's own conversion
    await service.write("UPDATE users SET role_id = 2 WHERE id = 3")
    before = await service.snapshot()
    (result,) = await revert(service, "user_1")
    assert codes(result["errors"]) == ["LAST_ADMINISTRATOR"]
    assert await service.snapshot() == before
