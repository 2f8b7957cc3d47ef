"""Whose weight counts in an organization: the table of docs/integrators.md, asked of the service."""

from typing import Any

import pytest

from tests.service import Service, codes

CHANGE = """mutation($input: UpdateUserInput!) { updateUser(input: $input) { errors { code values } } }"""
ADD = """mutation($input: AddOrganizationMembersInput!) { addOrganizationMembers(input: $input) {
  errors { code } results { errors { code } } } }"""
ROLES = {"Admin": 1, "IT": 2, "Project manager": 3, "Normal user": 4}


async def local_it(service: Service) -> None:
    """`orgadmin` is a Normal user who holds IT in Acme."""
    await service.write("UPDATE organization_members SET role_id = 2 WHERE user_id = 6 AND organization_id = 2")


async def put(service: Service, *, platform: str, local: str | None = None, elsewhere: bool = False) -> None:
    """`member` of Acme East, with these roles."""
    await service.write("UPDATE users SET role_id = $1 WHERE id = 8", ROLES[platform])
    role = None if local is None else ROLES[local]
    await service.write("UPDATE organization_members SET role_id = $1 WHERE user_id = 8", role)
    if elsewhere:
        await service.write(
            "INSERT INTO organization_members (organization_id, user_id, created_at)"
            " SELECT 5, 8, created_at FROM users WHERE id = 8"
        )


@pytest.mark.parametrize(
    ("placed", "expected"),
    [
        ({"platform": "Normal user"}, []),
        ({"platform": "Project manager"}, [("USER_TOO_HEAVY", {"weight": 60, "own": 40})]),
        ({"platform": "Normal user", "local": "IT"}, []),
        ({"platform": "Normal user", "local": "Admin"}, [("USER_TOO_HEAVY", {"weight": 100, "own": 80})]),
        ({"platform": "Normal user", "elsewhere": True}, [("OUTSIDE_ORGANIZATION", {"what": "This user"})]),
    ],
)
async def test_platform_roles_and_local_roles_are_compared_apart(
    service: Service, placed: dict[str, Any], expected: list[Any]
) -> None:
    await local_it(service)
    await put(service, **placed)
    answer = await service.data(CHANGE, {"input": {"id": "user_8", "name": "Changed"}}, who="orgadmin")
    errors = answer["updateUser"]["errors"]
    assert [(error["code"], error["values"]) for error in errors] == expected
    assert (await service.scalar("SELECT name FROM users WHERE id = 8") == "Changed") == (expected == [])


async def test_a_local_role_gives_no_platform_role_and_gives_itself(service: Service) -> None:
    await local_it(service)
    given = {"id": "user_8", "role": {"name": "Project manager"}}
    answer = await service.data(CHANGE, {"input": given}, who="orgadmin")
    assert [(e["code"], e["values"]["own"]) for e in answer["updateUser"]["errors"]] == [("ROLE_TOO_HEAVY", 40)]
    members = {"id": "organization_2", "userIds": ["user_8"], "role": {"name": "IT"}}
    answer = await service.data(ADD, {"input": members}, who="orgadmin")
    assert answer["addOrganizationMembers"] == {"errors": [], "results": [{"errors": []}]}
    members["role"] = {"name": "Admin"}
    answer = (await service.data(ADD, {"input": members}, who="orgadmin"))["addOrganizationMembers"]
    assert "ROLE_TOO_HEAVY" in codes([*answer["errors"], *(e for row in answer["results"] for e in row["errors"])])
