"""What the sources S1 and S2 send about many users, sent here."""

import pytest

from tests.service import Service, changed

UPSERT = """mutation($input: UpsertUsersInput!) {
  upsertUsers(input: $input) { results { index ref action matchedBy changedFields
    user { id email state isActive firstName lastName role { name } tags aliases } errors { code message path } }
    errors { code } } }"""


async def test_s2s_sample_creates_updates_and_deactivates_by_email(service: Service) -> None:
    # The sample's values are plain strings; GraphQL takes one value where a list is meant.
    row = {
        "email": "bob@acme.test",
        "role": {"name": "FullAdmin"},
        "firstName": "Bob",
        "lastName": "Smith",
        "tags": "AE|SouthEast",
        "aliases": "ID-123",
    }
    made = (await service.data(UPSERT, {"input": {"users": row}}))["upsertUsers"]["results"][0]
    assert (made["action"], made["user"]["role"], made["user"]["tags"], made["user"]["aliases"]) == (
        "CREATED",
        {"name": "Admin"},
        ["AE", "SouthEast"],
        ["ID-123"],
    )
    more = {"email": "BOB@acme.test", "tags": "SouthEast|Leads", "aliases": "ID-124"}
    updated = (await service.data(UPSERT, {"input": {"users": more}}))["upsertUsers"]["results"][0]
    assert (updated["action"], updated["matchedBy"]) == ("UPDATED", "EMAIL")
    assert updated["user"]["tags"] == ["AE", "Leads", "SouthEast"]
    assert updated["user"]["aliases"] == ["ID-123", "ID-124"]
    off = {"email": "bob@acme.test", "role": {"name": "Deactivated"}}
    gone = (await service.data(UPSERT, {"input": {"users": off}}))["upsertUsers"]["results"][0]
    assert (gone["action"], gone["user"]["isActive"], gone["user"]["role"]) == ("UPDATED", False, {"name": "Admin"})
    assert await changed(service, made["user"]["id"]) == ["CREATED", "UPDATED", "UPDATED"]


@pytest.mark.parametrize(
    ("sent", "kept"), [("FullAdmin", "Admin"), ("LimitedAdmin", "IT"), ("Participant", "Normal user")]
)
async def test_s2s_roles_are_synonyms(service: Service, sent: str, kept: str) -> None:
    row = {"email": "bob@acme.test", "role": {"name": sent}}
    (result,) = (await service.data(UPSERT, {"input": {"users": [row]}}))["upsertUsers"]["results"]
    assert result["user"]["role"] == {"name": kept}


async def test_s1s_four_calls(service: Service) -> None:
    listed = await service.data("""{ node(id: "organization_2") { ... on Organization { name
      users { nodes { id createdAt accessibility state } } } } users { totalCount } }""")
    assert [user["id"] for user in listed["node"]["users"]["nodes"]] == ["user_6"]
    assert listed["users"]["totalCount"] == 9
    catalogue = await service.data("""query { roles { id name weight permissions userCount } identityProviders { id name prefix kind isEnabled serverNumber userCount } }""")  # fmt: skip  # noqa: E501
    assert [(role["id"], role["weight"]) for role in catalogue["roles"]] == [
        ("role_1", 100),
        ("role_2", 80),
        ("role_3", 60),
        ("role_4", 40),
        ("role_5", 20),
    ]
    assert [(each["prefix"], each["isEnabled"]) for each in catalogue["identityProviders"]] == [
        ("local", True),
        ("ldap1", True),
        ("ldap2", False),
        ("sso", True),
    ]
    users = [
        {
            "email": f"partner{number}@x.test",
            "role": {"id": catalogue["roles"][3]["id"]},
            "organizationIds": ["organization_3", "organization_5"],
            "identityProviderId": catalogue["identityProviders"][3]["id"],
        }
        for number in range(3)
    ]
    document = """mutation($input: InviteUsersInput!) { inviteUsers(input: $input) { results { action
      user { state organizations { nodes { id } } identityProvider { id } } errors { code } } } }"""
    results = (await service.data(document, {"input": {"users": users}}))["inviteUsers"]["results"]
    assert (
        results
        == [
            {
                "action": "CREATED",
                "user": {
                    "state": "INVITED",
                    "organizations": {"nodes": [{"id": "organization_3"}, {"id": "organization_5"}]},
                    "identityProvider": {"id": "provider_4"},
                },
                "errors": [],
            }
        ]
        * 3
    )
    assert await service.scalar("SELECT COUNT(*) FROM letters WHERE state = 'WAITING'") == 3
