"""Roles: read, made, changed, deleted."""

from tests.service import Service


async def test_roles_and_providers_are_listed(service: Service) -> None:
    data = await service.data(
        "{ roles { id name weight permissions userCount }"
        " identityProviders { id name prefix kind isEnabled serverNumber userCount } }"
    )
    assert [(role["id"], role["name"], role["weight"], role["userCount"]) for role in data["roles"]] == [
        ("role_1", "Admin", 100, 1),
        ("role_2", "IT", 80, 2),
        ("role_3", "Project manager", 60, 1),
        ("role_4", "Normal user", 40, 4),
        ("role_5", "Read only", 20, 1),
    ]
    assert data["identityProviders"][1] == {
        "id": "provider_2",
        "name": "Main LDAP",
        "prefix": "ldap1",
        "kind": "LDAP",
        "isEnabled": True,
        "serverNumber": 1,
        "userCount": 0,
    }
