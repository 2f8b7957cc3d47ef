"""Settings of LDAP providers: kept whole and checked field by field; the password goes in and never comes out."""

import json
from typing import Any

import pytest

from models.errors import ProviderNotConfigured
from resolvers import ldap_settings
from resolvers.connectors import ldap
from tests.certificates import Authority
from tests.service import Service, codes
from tests.slapd import BASE, JANE, READER, SERVICE, Slapd

SHOWN = """identityProvider { id ceilingWeight samlSettings { entityId } ldapSettings {
  urls isStartTls isPlaintextAllowed caCertificates baseDn bindDn hasBindPassword userFilter groupBaseDn groupFilter
  attributes { username email name firstName lastName externalId memberOf changedAt }
  pageSize connectSeconds receiveSeconds groupMappings { group role { name } groupIds organizationIds } } }
  errors { code message path }"""
UPDATE = "mutation($input: UpdateIdentityProviderInput!) { updateIdentityProvider(input: $input) {" + SHOWN + "} }"
CREATE = "mutation($input: CreateIdentityProviderInput!) { createIdentityProvider(input: $input) {" + SHOWN + "} }"
GIVEN = {"urls": ["ldaps://ldap.example.com"], "baseDn": BASE, "bindDn": READER, "bindPassword": SERVICE}
DEFAULTS = {
    "isStartTls": True,
    "isPlaintextAllowed": False,
    "caCertificates": None,
    "bindDn": None,
    "hasBindPassword": False,
    "userFilter": "(|(uid={username})(mail={username}))",
    "groupBaseDn": None,
    "groupFilter": "(|(member={dn})(uniqueMember={dn}))",
    "attributes": {
        "username": "uid",
        "email": "mail",
        "name": "cn",
        "firstName": "givenName",
        "lastName": "sn",
        "externalId": "entryUUID",
        "memberOf": "memberOf",
        "changedAt": "modifyTimestamp",
    },
    "pageSize": 500,
    "connectSeconds": 2,
    "receiveSeconds": 4,
    "groupMappings": [],
}
KEPT = {**DEFAULTS, "urls": ["ldaps://ldap.example.com"], "baseDn": BASE, "bindDn": READER, "hasBindPassword": True}


async def update(service: Service, ldap: Any, *, who: str = "admin", **more: Any) -> Any:
    answer = await service.data(UPDATE, {"input": {"id": "provider_2", "ldap": ldap, **more}}, who=who)
    return answer["updateIdentityProvider"]


async def shown(service: Service) -> Any:
    document = "{ identityProviders" + SHOWN.removeprefix("identityProvider").split("errors")[0] + "}"
    found = (await service.data(document))["identityProviders"]
    return next(each for each in found if each["id"] == "provider_2")["ldapSettings"]


async def told(service: Service, provider: int = 2) -> dict[str, Any]:
    """What the last event about a provider says that changed."""
    sql = (
        "SELECT changes FROM audit_events WHERE subject_type = 'provider' AND subject_id = $1 ORDER BY id DESC LIMIT 1"
    )
    found: dict[str, Any] = json.loads(await service.scalar(sql, provider))
    return found


async def test_a_provider_is_made_with_its_settings(service: Service) -> None:
    given = {"name": "New", "prefix": "new", "kind": "LDAP", "serverNumber": 5, "ceilingWeight": 60, "ldap": GIVEN}
    answer = (await service.data(CREATE, {"input": given}))["createIdentityProvider"]
    expected = {"id": "provider_5", "ceilingWeight": 60, "samlSettings": None, "ldapSettings": KEPT}
    assert answer == {"identityProvider": expected, "errors": []}
    changes = await told(service, 5)
    assert changes["ldap.urls"] == [None, ["ldaps://ldap.example.com"]]
    assert changes["ldap.bindPassword"] == [None, "changed"]
    assert changes["ceilingWeight"] == [None, 60]
    assert SERVICE not in json.dumps(changes)


async def test_the_password_is_sealed_and_in_nothing_that_can_be_read(service: Service) -> None:
    assert (await update(service, GIVEN))["errors"] == []
    settings, secrets = (await service.rows("SELECT settings, secrets FROM identity_providers WHERE id = 2"))[0]
    assert SERVICE not in f"{settings} {secrets}"
    assert json.loads(service.app.state.services.sealer.open(secrets)) == {"bindPassword": SERVICE}
    audit = await service.data("{ auditEvents(last: 5) { nodes { changes } } }")
    assert "ldap.bindPassword" in json.dumps(audit)
    assert SERVICE not in json.dumps([audit, await shown(service)])
    refused = await service.ask("{ identityProviders { ldapSettings { bindPassword } } }")
    assert "Cannot query field" in refused["errors"][0]["message"]


async def test_absent_is_unchanged_and_null_is_the_default(service: Service) -> None:
    pem = Authority().pem
    more = {"pageSize": 100, "caCertificates": pem, "attributes": {"username": "sAMAccountName", "email": "mail"}}
    await update(service, {**GIVEN, **more, "groupBaseDn": f"ou=groups,{BASE}"})
    changed = await update(service, {"receiveSeconds": 9, "attributes": {"name": "displayName"}})
    attributes = {**DEFAULTS["attributes"], "username": "sAMAccountName", "name": "displayName"}  # type: ignore[dict-item]
    expected = {**KEPT, **more, "groupBaseDn": f"ou=groups,{BASE}", "receiveSeconds": 9, "attributes": attributes}
    assert changed["identityProvider"]["ldapSettings"] == expected == await shown(service)
    assert list(await told(service)) == ["ldap.attributes", "ldap.receiveSeconds"]
    cleared = {"pageSize": None, "groupBaseDn": None, "attributes": None, "receiveSeconds": None}
    await update(service, cleared)
    assert await shown(service) == {**KEPT, "caCertificates": pem}
    await update(service, {"caCertificates": None, "bindPassword": SERVICE})
    assert await shown(service) == KEPT
    assert (await told(service))["ldap.caCertificates"][0].startswith("sha256:")
    assert (await told(service))["ldap.caCertificates"][1] is None


async def test_all_settings_are_cleared_at_once(service: Service) -> None:
    await update(service, GIVEN)
    answer = await update(service, None)
    assert (answer["identityProvider"]["ldapSettings"], answer["errors"]) == (None, [])
    assert await service.rows("SELECT settings, secrets FROM identity_providers WHERE id = 2") == [(None, None)]
    assert (await told(service))["ldap.bindPassword"] == ["set", None]


async def test_the_same_again_changes_nothing_and_a_dry_run_stores_nothing(service: Service) -> None:
    before = await service.snapshot()
    dry = await update(service, GIVEN, dryRun=True)
    assert (dry["identityProvider"]["ldapSettings"], dry["errors"]) == (KEPT, [])
    assert await service.snapshot() == before
    await update(service, GIVEN)
    before = await service.snapshot()
    assert (await update(service, GIVEN))["errors"] == []
    assert (await update(service, {}))["errors"] == []
    assert await service.snapshot() == before


@pytest.mark.parametrize(
    "change",
    [
        {"urls": ["ldaps://elsewhere.example.com"]},
        {"isStartTls": False},
        {"isPlaintextAllowed": True},
        {"caCertificates": Authority().pem},
        {"bindDn": f"cn=other,{BASE}"},
    ],
)
async def test_where_the_password_goes_is_changed_by_who_knows_it(service: Service, change: dict[str, Any]) -> None:
    await update(service, GIVEN)
    before = await service.snapshot()
    refused = await update(service, change)
    assert [(e["code"], e["path"]) for e in refused["errors"]] == [("REQUIRED", ["ldap", "bindPassword"])]
    assert await service.snapshot() == before
    assert (await update(service, {**change, "bindPassword": "another"}))["errors"] == []


async def test_without_a_service_account_there_is_no_password(service: Service) -> None:
    await update(service, GIVEN)
    assert (await update(service, {"bindDn": None}))["errors"] == []
    assert await shown(service) == {**KEPT, "bindDn": None, "hasBindPassword": False}
    assert await service.scalar("SELECT secrets FROM identity_providers WHERE id = 2") is None


@pytest.mark.parametrize(
    ("given", "code", "path"),
    [
        ({"urls": []}, "REQUIRED", ["urls"]),
        ({"urls": ["ldaps://a"] * 4}, "INVALID", ["urls"]),
        ({"urls": ["ldaps://a", "https://a"]}, "INVALID", ["urls", "1"]),
        ({"urls": [""]}, "REQUIRED", ["urls", "0"]),
        ({"urls": ["ldap://ldap.example.com"], "isStartTls": False}, "INVALID", ["urls", "0"]),
        ({"baseDn": None}, "REQUIRED", ["baseDn"]),
        ({"baseDn": "example.com"}, "INVALID", ["baseDn"]),
        ({"baseDn": "dc=x\x07"}, "INVALID", ["baseDn"]),
        ({"bindDn": "reader"}, "INVALID", ["bindDn"]),
        ({"bindDn": None}, "REQUIRED", ["bindDn"]),
        ({"bindPassword": ""}, "REQUIRED", ["bindPassword"]),
        ({"bindPassword": None}, "REQUIRED", ["bindPassword"]),
        ({"bindPassword": "x" * 1025}, "INVALID", ["bindPassword"]),
        ({"caCertificates": "no certificate"}, "INVALID", ["caCertificates"]),
        ({"caCertificates": Authority().pem.replace("A", "B")}, "INVALID", ["caCertificates"]),
        ({"caCertificates": "é"}, "INVALID", ["caCertificates"]),
        ({"userFilter": "(uid=jane)"}, "INVALID", ["userFilter"]),
        ({"userFilter": "(uid={username}"}, "INVALID", ["userFilter"]),
        ({"userFilter": "uid={username}"}, "INVALID", ["userFilter"]),
        ({"userFilter": "(uid={username})(cn=x)"}, "INVALID", ["userFilter"]),
        ({"userFilter": "({username})"}, "INVALID", ["userFilter"]),
        ({"userFilter": "(&(uid={username})(cn={name}))"}, "INVALID", ["userFilter"]),
        ({"userFilter": "(!)({username})"}, "INVALID", ["userFilter"]),
        ({"userFilter": "(&(uid={username})(a:b:c:=2))"}, "INVALID", ["userFilter"]),
        ({"userFilter": "(&(uid={username})(:=2))"}, "INVALID", ["userFilter"]),
        ({"groupBaseDn": "groups"}, "INVALID", ["groupBaseDn"]),
        ({"groupFilter": "(member=x)"}, "INVALID", ["groupFilter"]),
        ({"groupFilter": "(member=x{dn})"}, "INVALID", ["groupFilter"]),
        ({"attributes": {"email": "mail)(uid=*"}}, "INVALID", ["attributes", "email"]),
        ({"attributes": {"changedAt": "a>"}}, "INVALID", ["attributes", "changedAt"]),
        ({"pageSize": 9}, "INVALID", ["pageSize"]),
        ({"connectSeconds": 11}, "INVALID", ["connectSeconds"]),
        ({"receiveSeconds": 0}, "INVALID", ["receiveSeconds"]),
    ],
)  # fmt: skip
async def test_what_cannot_be_names_its_field(service: Service, given: Any, code: str, path: list[str]) -> None:
    before = await service.snapshot()
    answer = await update(service, {**GIVEN, **given})
    assert answer["identityProvider"] is None
    assert [(e["code"], e["path"]) for e in answer["errors"]] == [(code, ["ldap", *path])]
    assert SERVICE not in json.dumps(answer)
    assert await service.snapshot() == before


async def test_a_server_on_this_machine_may_be_asked_in_the_clear(service: Service) -> None:
    for url in ("ldap://127.0.0.1:3890", "ldap://localhost", "ldap://[::1]"):
        assert (await update(service, {**GIVEN, "urls": [url], "isStartTls": False}))["errors"] == []
    elsewhere = {**GIVEN, "urls": ["ldap://ldap.example.com"], "isStartTls": False, "isPlaintextAllowed": True}
    assert (await update(service, elsewhere))["errors"] == []


async def test_settings_belong_to_their_kind(service: Service) -> None:
    for provider, given in (
        ("provider_1", "ldap"),
        ("provider_4", "ldap"),
        ("provider_1", "saml"),
        ("provider_2", "saml"),
    ):
        ldap_or_saml = {given: GIVEN if given == "ldap" else {"entityId": "x"}}
        answer = (await service.data(UPDATE, {"input": {"id": provider, **ldap_or_saml}}))["updateIdentityProvider"]
        assert [(e["code"], e["path"]) for e in answer["errors"]] == [("INVALID", [given])]


async def test_settings_are_read_by_who_manages_providers(service: Service) -> None:
    await update(service, GIVEN)
    for who in ("it", "normal", "orgadmin"):
        assert (await service.data("{ identityProviders { name ceilingWeight } }", who=who))["identityProviders"]
        assert await service.codes("{ identityProviders { ldapSettings { urls } } }", who=who) == ["FORBIDDEN"]
        document = UPDATE.replace(SHOWN, "errors { code }")
        answer = await service.data(document, {"input": {"id": "provider_2", "ldap": GIVEN}}, who=who)
        assert codes(answer["updateIdentityProvider"]["errors"]) == ["FORBIDDEN"]


async def test_a_server_is_made_of_what_is_stored(service: Service, slapd: Slapd) -> None:
    sealer = service.app.state.services.sealer
    assert (await update(service, slapd.settings()))["errors"] == []
    async with service.database.reading() as connection:
        server = await ldap_settings.server_of(connection, sealer, 2)
        for provider in (1, 3, 4, 99):
            with pytest.raises(ProviderNotConfigured):
                await ldap_settings.server_of(connection, sealer, provider)
    assert server == slapd.server(name="Main LDAP", urls=(slapd.tls_url,))
    entry = await ldap.find(server, username="jane")
    assert entry is not None
    assert ldap_settings.as_user(server, entry) == {
        "username": "jane",
        "email": "jane@example.com",
        "name": "Jane Doe",
        "first_name": "Jane",
        "last_name": "Doe",
        "external_id": entry.first("entryUUID"),
        "login_dn": JANE,
    }
    nobody = ldap.Entry("cn=x", {"givenname": ("Ada",), "sn": ("Berg",), "mail": (" ",)})
    assert ldap_settings.as_user(server, nobody) == {
        "name": "Ada Berg", "first_name": "Ada", "last_name": "Berg", "login_dn": "cn=x",
    }  # fmt: skip
    await service.write("UPDATE identity_providers SET secrets = $1 WHERE id = 2", "sealed with another key")
    async with service.database.reading() as connection:
        with pytest.raises(ProviderNotConfigured, match="USERGRAPH_SECRET_KEY"):
            await ldap_settings.server_of(connection, sealer, 2)


async def test_settings_that_lack_an_attribute_take_the_usual_one(service: Service) -> None:
    """Kept by a version that did not know it."""
    await update(service, {**GIVEN, "attributes": {"username": "sAMAccountName", "changedAt": "whenChanged"}})
    stored = await service.scalar("SELECT settings FROM identity_providers WHERE id = 2")
    settings = json.loads(stored) if isinstance(stored, str) else stored
    del settings["attributes"]["changedAt"]
    await service.write("UPDATE identity_providers SET settings = $1 WHERE id = 2", json.dumps(settings))
    async with service.database.reading() as connection:
        server = await ldap_settings.server_of(connection, service.app.state.services.sealer, 2)
    assert (server.attributes["username"], server.attributes["changed_at"]) == ("sAMAccountName", "modifyTimestamp")
    changed = await update(service, {"attributes": {"email": "proxyAddresses"}})
    attributes = {**DEFAULTS["attributes"], "username": "sAMAccountName", "email": "proxyAddresses"}  # type: ignore[dict-item]
    assert changed["identityProvider"]["ldapSettings"]["attributes"] == attributes
