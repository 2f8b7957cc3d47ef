"""What groups of a directory give here: never more than the ceiling, nor than who sets it could give themselves."""

from typing import Any

import pytest

from resolvers import references
from resolvers.connectors import ldap
from resolvers.ldap_mappings import Mapped, mapped
from resolvers.ldap_settings import opened_settings
from tests.service import Service, key_of
from tests.slapd import GROUPS, LEADS, STAFF, WEB, Slapd, grouped

UPDATE = """mutation($input: UpdateIdentityProviderInput!) { updateIdentityProvider(input: $input) {
  identityProvider { ceilingWeight ldapSettings { groupMappings { group role { id name } groupIds organizationIds } } }
  errors { code message path } } }"""
REACH = {"urls": ["ldaps://ldap.example.com"], "baseDn": "dc=example,dc=com"}


async def update(service: Service, mappings: Any = None, *, who: str = "admin", **more: Any) -> Any:
    ldap_input = {"ldap": {**REACH, "groupMappings": mappings}} if mappings is not None else {}
    answer = await service.data(UPDATE, {"input": {"id": "provider_2", **ldap_input, **more}}, who=who)
    return answer["updateIdentityProvider"]


def refusals(answer: Any) -> list[tuple[str, list[str]]]:
    assert answer["identityProvider"] is None
    return [(each["code"], each["path"]) for each in answer["errors"]]


async def given(service: Service, *groups: str) -> Mapped:
    """What somebody in these groups of the directory gets."""
    row = await service.rows("SELECT settings, ceiling_weight FROM identity_providers WHERE id = 2")
    async with service.database.reading() as connection:
        roles = await references.roles(connection)
    settings = opened_settings(row[0][0])
    assert settings is not None
    return mapped(settings, ldap.Entry("uid=x", {}, groups), roles, row[0][1])


async def role_id(service: Service, name: str) -> int:
    found: int = await service.scalar("SELECT id FROM roles WHERE name = $1", name)
    return found


async def make_role(service: Service, name: str, weight: int, *rights: str) -> None:
    document = "mutation($input: CreateRoleInput!) { createRole(input: $input) { errors { code } } }"
    given = {"name": name, "weight": weight, "permissions": list(rights)}
    assert (await service.data(document, {"input": given}))["createRole"]["errors"] == []


async def test_groups_give_roles_groups_and_organizations(service: Service) -> None:
    answer = await update(
        service,
        [
            {"group": STAFF, "role": {"name": "participant"}, "groupIds": ["group_1", "group_2", "group_1"]},
            {"group": "Leads", "role": {"name": "Project manager"}, "organizationIds": ["organization_3"]},
            {"group": WEB, "groupIds": ["group_2"]},
        ],
        ceilingWeight=60,
    )
    assert answer["errors"] == []
    normal, manager = await role_id(service, "Normal user"), await role_id(service, "Project manager")
    assert answer["identityProvider"] == {
        "ceilingWeight": 60,
        "ldapSettings": {
            "groupMappings": [
                {
                    "group": STAFF,
                    "role": {"id": f"role_{normal}", "name": "Normal user"},
                    "groupIds": ["group_1", "group_2"],
                    "organizationIds": [],
                },
                {
                    "group": "Leads",
                    "role": {"id": f"role_{manager}", "name": "Project manager"},
                    "groupIds": [],
                    "organizationIds": ["organization_3"],
                },
                {"group": WEB, "role": None, "groupIds": ["group_2"], "organizationIds": []},
            ]
        },
    }
    assert await given(service) == Mapped(None)
    assert await given(service, WEB, "cn=strangers,dc=x") == Mapped(None, (2,))
    # However a DN is written, by name wherever the group lies, and the heaviest role of several.
    assert await given(service, STAFF.upper().replace(",", " , ")) == Mapped(normal, (1, 2))
    assert await given(service, STAFF, "cn=LEADS,ou=elsewhere,dc=x") == Mapped(manager, (1, 2), (3,))


async def test_a_directory_s_groups_and_nested_ones_are_mapped(service: Service, slapd: Slapd) -> None:
    await update(service, [{"group": LEADS, "groupIds": ["group_1"]}])
    for base, expected in ((GROUPS, (1,)), (None, ())):
        entry = await grouped(slapd.server(group_base_dn=base), "jane")
        assert (await given(service, *entry.groups)).group_ids == expected


async def test_no_mapping_gives_a_role_without_or_above_a_ceiling(service: Service) -> None:
    before = await service.snapshot()
    heavy = [{"group": STAFF, "groupIds": ["group_1"]}, {"group": LEADS, "role": {"name": "IT"}}]
    assert refusals(await update(service, heavy)) == [("REQUIRED", ["ceilingWeight"])]
    assert refusals(await update(service, heavy, ceilingWeight=79)) == [
        ("INVALID", ["ldap", "groupMappings", "1", "role"])
    ]
    for ceiling in (-1, 101):
        assert refusals(await update(service, ceilingWeight=ceiling)) == [("INVALID", ["ceilingWeight"])]
    assert await service.snapshot() == before
    assert (await update(service, heavy, ceilingWeight=80))["errors"] == []
    # Nor does the ceiling come down to below what is mapped.
    before = await service.snapshot()
    for lower in (79, None):
        assert refusals(await update(service, ceilingWeight=lower))
    assert await service.snapshot() == before


async def test_a_role_that_has_grown_above_the_ceiling_is_not_given(service: Service) -> None:
    await make_role(service, "Helper", 30, "USE_SELF_SERVICE")
    helper, reader = await role_id(service, "Helper"), await role_id(service, "Read only")
    mappings = [{"group": STAFF, "role": {"name": "Helper"}}, {"group": WEB, "role": {"name": "Read only"}}]
    assert (await update(service, mappings, ceilingWeight=40))["errors"] == []
    assert await given(service, STAFF, WEB) == Mapped(helper)
    grow = 'mutation { updateRole(input: {id: "role_%d", weight: 50}) { errors { code } } }'
    await service.data(grow.replace("%d", str(helper)))
    assert await given(service, STAFF, WEB) == Mapped(reader)
    assert await given(service, STAFF) == Mapped(None)
    await service.data('mutation { deleteRole(input: {id: "role_%d"}) { errors { code } } }'.replace("%d", str(helper)))
    assert await given(service, STAFF) == Mapped(None)
    shown = await service.data("{ identityProviders { ldapSettings { groupMappings { role { name } } } } }")
    assert {"groupMappings": [{"role": None}, {"role": {"name": "Read only"}}]} in [
        each["ldapSettings"] for each in shown["identityProviders"]
    ]


@pytest.mark.parametrize(
    ("mappings", "code", "path"),
    [
        ([{"group": "", "groupIds": ["group_1"]}], "REQUIRED", ["0", "group"]),
        ([{"group": "x\x07", "groupIds": ["group_1"]}], "INVALID", ["0", "group"]),
        ([{"group": STAFF}], "REQUIRED", ["0"]),
        ([{"group": STAFF, "role": {"name": "Nobody"}}], "NOT_FOUND", ["0", "role", "name"]),
        ([{"group": STAFF, "groupIds": ["group_1", "group_99"]}], "NOT_FOUND", ["0", "groupIds", "1"]),
        ([{"group": STAFF, "organizationIds": ["group_1"]}], "NOT_FOUND", ["0", "organizationIds", "0"]),
        ([{"group": STAFF, "groupIds": ["group_1"]}] * 2, "DUPLICATE", ["1", "group"]),
        ([{"group": g, "groupIds": ["group_1"]} for g in ("Web", " web")], "DUPLICATE", ["1", "group"]),
        ([{"group": f"g{n}", "groupIds": ["group_1"]} for n in range(1_001)], "TOO_MANY", []),
    ],
)
async def test_a_mapping_that_cannot_be_says_why(service: Service, mappings: Any, code: str, path: list[str]) -> None:
    before = await service.snapshot()
    answer = await update(service, mappings, ceilingWeight=50)
    assert refusals(answer) == [(code, ["ldap", "groupMappings", *path])]
    assert await service.snapshot() == before


async def _make_manager(service: Service) -> None:
    """A lighter role that manages providers, held by `it`."""
    rights = ("USE_SELF_SERVICE", "READ_DIRECTORY", "LIST_USERS", "READ_USERS", "MANAGE_PROVIDERS")
    await make_role(service, "Provider manager", 70, *rights)
    give = 'mutation { updateUser(input: {id: "%s", role: {name: "Provider manager"}}) { errors { code message } } }'
    answer = await service.data(give.replace("%s", await service.id_of("it")))
    assert answer["updateUser"]["errors"] == []


async def test_nobody_maps_more_than_they_could_give(service: Service) -> None:
    await _make_manager(service)
    light = [{"group": STAFF, "role": {"name": "Normal user"}}]
    heavy = [{"group": STAFF, "role": {"name": "IT"}}]
    assert refusals(await update(service, who="it", ceilingWeight=71)) == [("ROLE_TOO_HEAVY", ["ceilingWeight"])]
    assert (await update(service, light, who="it", ceilingWeight=70))["errors"] == []
    # Lighter than themselves, and with a right that they do not have.
    await make_role(service, "Auditor", 10, "READ_AUDIT")
    place = ["ldap", "groupMappings", "0", "role"]
    auditor = [{"group": STAFF, "role": {"name": "Auditor"}}]
    assert refusals(await update(service, auditor, who="it")) == [("RIGHTS_TOO_WIDE", place)]
    # What an administrator has set, a lighter manager may neither widen nor take over; other fields they may change.
    assert (await update(service, heavy, ceilingWeight=100))["errors"] == []
    wider = [*heavy, {"group": WEB, "role": {"name": "Normal user"}}]
    assert refusals(await update(service, wider, who="it")) == [("ROLE_TOO_HEAVY", ["ceilingWeight"])]
    assert (await update(service, who="it", name="Renamed"))["errors"] == []


async def test_who_points_a_provider_elsewhere_holds_what_those_behind_it_may(service: Service) -> None:
    await _make_manager(service)
    assert (await update(service, [], who="it"))["errors"] == []
    join = "provider_id = 2, ldap_provider_id = 2, login_dn = 'cn=r', login_dn_key = 'cn=r'"
    leave = "provider_id = NULL, ldap_provider_id = NULL, login_dn = NULL, login_dn_key = NULL"
    await service.write(f"UPDATE users SET {join} WHERE username = 'robot'")
    elsewhere = {"ldap": {"urls": ["ldaps://evil.example.com"]}}
    before = await service.snapshot()
    answer = await update(service, who="it", **elsewhere)
    assert refusals(answer) == [("USER_TOO_HEAVY", ["ldap"])]
    assert await service.snapshot() == before
    # Somebody lighter who administers an organization is heavier there.
    await service.write(f"UPDATE users SET {leave} WHERE username = 'robot'")
    await service.write("UPDATE users SET provider_id = 2 WHERE username = 'orgadmin'")
    assert refusals(await update(service, who="it", **elsewhere)) == [("USER_TOO_HEAVY", ["ldap"])]
    assert (await update(service, **elsewhere))["errors"] == []
    # An administrator's narrow key does not get in as an administrator that way either.
    await service.write("UPDATE users SET provider_id = 2 WHERE username = 'admin'")
    narrow = """mutation { createApiKey(input: {userId: "user_1", name: "narrow", permissions: [MANAGE_PROVIDERS,
      READ_DIRECTORY, USE_SELF_SERVICE]}) { secret errors { code } } }"""
    secret = (await service.data(narrow))["createApiKey"]["secret"]
    assert secret != key_of("admin")
    body = {"query": UPDATE, "variables": {"input": {"id": "provider_2", "ldap": {"pageSize": 100}}}}
    answer = (await service.post(body, who=None, headers={"x-apikey": secret})).json()
    assert refusals(answer["data"]["updateIdentityProvider"]) == [("RIGHTS_TOO_WIDE", ["ldap"])]


async def test_another_server_number_takes_as_much_as_another_address(service: Service) -> None:
    """By it imports and conversions find the server: whoever moves it moves who is joined to which directory."""
    await _make_manager(service)
    assert (await update(service, who="it", serverNumber=7))["errors"] == [], "nobody is behind it"
    await service.write("UPDATE users SET provider_id = 2 WHERE username = 'robot'")
    before = await service.snapshot()
    assert refusals(await update(service, who="it", serverNumber=8)) == [("USER_TOO_HEAVY", ["serverNumber"])]
    assert await service.snapshot() == before
    assert (await update(service, who="it", serverNumber=7, name="Renamed"))["errors"] == [], "which is no change"
    assert (await update(service, serverNumber=8))["errors"] == []
    assert await service.scalar("SELECT server_number FROM identity_providers WHERE id = 2") == 8
