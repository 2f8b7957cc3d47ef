"""The ready reports answer what they say, by their URLs: counted anew here from what `users` tells."""

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from models.values import now
from tests.saved_reports import READY
from tests.service import Service, key_of

USERS = """{ users(first: 100, orderBy: [{field: ID}]) { nodes { id state createdAt lastLoginAt lastApiRequestAt
  is2faEnabled hasValidPassword isApiOnly role { id name } groups { nodes { id } } organizations { nodes { name } }
} } }"""


async def run(service: Service, path: str, who: str = "admin") -> Any:
    answer = await service.client.get(f"/reports/{path}", headers={"x-apikey": key_of(who)})
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


async def active(service: Service) -> list[dict[str, Any]]:
    """Active users as the list tells them, one of them with a second factor, two used of late, one not there."""
    day = timedelta(days=1)
    await service.write("UPDATE users SET totp_secret = 'sealed', totp_enabled_at = created_at WHERE id = 8")
    await service.write("UPDATE users SET last_login_at = $1 WHERE id = 8", now() - 3 * day)
    await service.write("UPDATE users SET last_login_at = $1 WHERE id = 9", now() - 20 * day)
    await service.write("UPDATE users SET last_api_request_at = $1 WHERE id = 7", now() - 2 * day)
    await service.write("UPDATE users SET state = 'DEACTIVATED' WHERE id = 3")
    nodes = (await service.data(USERS))["users"]["nodes"]
    return [node for node in nodes if node["state"] == "ACTIVE"]


async def test_posture_tells_what_is_wrong_by_role(service: Service) -> None:
    users = await active(service)
    report = (await run(service, "posture"))["userReport"]
    wanted = {
        role: {
            "users": len(held),
            "noSecondFactor": sum(not each["is2faEnabled"] for each in held),
            "noValidPassword": sum(not each["hasValidPassword"] for each in held),
            "apiOnly": sum(each["isApiOnly"] for each in held),
            "inNoGroup": sum(not each["groups"]["nodes"] for each in held),
        }
        for role in {each["role"]["name"] for each in users}
        for held in [[each for each in users if each["role"]["name"] == role]]
    }
    found = {row["role"]: {name: row[name] for name in wanted[row["role"]]} for row in report["rows"]}
    assert found == wanted
    assert report["total"] == len(users) == 8
    assert wanted["Normal user"]["noSecondFactor"] == wanted["Normal user"]["users"] - 1


async def test_dormant_accounts_are_those_that_neither_signed_in_nor_used_a_key(service: Service) -> None:
    await active(service)
    for path, who in (
        ("dormant-accounts?since=-P7D", ["user_2", "user_4", "user_5", "user_6", "user_9"]),
        ("dormant-accounts?since=-P25D", ["user_2", "user_4", "user_5", "user_6"]),
        ("dormant-accounts?since=-P7D&first=2", ["user_2", "user_4"]),
        ("dormant-accounts", []),  # the cast is thirty days old
    ):
        assert sorted(node["id"] for node in (await run(service, path))["users"]["nodes"]) == who, path


async def test_last_use_counts_every_active_user_once(service: Service) -> None:
    users = await active(service)
    report = (await run(service, "last-use"))["userReport"]
    assert sum(row["count"] for row in report["rows"]) == report["total"] == len(users)
    assert abs(sum(row["share"] for row in report["rows"]) - 1) < 1e-9
    # But for the administrator, who asks: when that is noted, is nobody's to say.
    never = [row for row in report["rows"] if row["lastUseAge"] in (None, "never") and row["role"] != "Admin"]
    unused = [each["role"]["name"] for each in users[1:] if not each["lastLoginAt"] and not each["lastApiRequestAt"]]
    assert {row["role"]: row["count"] for row in never} == Counter(unused)


async def test_access_by_organization_counts_members_by_role(service: Service) -> None:
    users = await active(service)
    report = (await run(service, "access-by-organization"))["userReport"]
    wanted = Counter(
        (organization, each["role"]["name"])
        for each in users
        for organization in [node["name"] for node in each["organizations"]["nodes"]] or [None]
    )
    assert {(row["organization"], row["role"]): row["users"] for row in report["rows"]} == wanted
    last = {row["organization"]: row["lastLogin"] for row in report["rows"] if row["lastLogin"]}
    assert set(last) == {"Acme East", "Other"}
    below = (await run(service, "access-by-organization?level=1"))["userReport"]
    assert {row["organization"] for row in below["rows"]} == {None, "Acme", "Other"}


@pytest.mark.parametrize("name", READY)
async def test_a_ready_report_comes_as_a_file_too_and_not_for_who_may_not_read_it(service: Service, name: str) -> None:
    for format in ("csv", "xlsx"):
        answer = await service.client.get(f"/reports/{name}?format={format}", headers={"x-apikey": key_of("it")})
        assert answer.status_code == 200, answer.text
        assert answer.content
    answer = await service.client.get(f"/reports/{name}", headers={"x-apikey": key_of("normal")})
    assert (answer.status_code, answer.json()["errors"][0]["extensions"]["code"]) == (403, "FORBIDDEN")
