"""Conversions in the tests: made and taken back as a client does, and what is stored of them."""

import json
from typing import Any

from tests.service import Service

SHOWN = """user { id version isLdap isSaml ldapServerNumber loginDn hasValidPassword is2faEnabled accessibility
  role { name } identityProvider { id } tags aliases groups { nodes { id } } organizations { nodes { id } } }"""
CONVERT = """mutation($input: ConvertUsersInput!) { convertUsers(input: $input) { errors { code path }
  results { index ref action changedFields kept lost checkedBy
    nameIdMatch { nameId reason } errors { code message path index } %s } } }"""
REVERT = """mutation($input: RevertConversionsInput!) { revertConversions(input: $input) { errors { code path }
  results { index ref action changedFields errors { code path index } %s } } }"""
DN = "CN=Jane,CN=Users,DC=tpm,DC=local"
LDAP: dict[str, Any] = {"ldap": {"serverNumber": 1, "loginDn": DN}}
SAML: dict[str, Any] = {"saml": {}}
BOTH: dict[str, Any] = {"saml": {"identityProviderId": "provider_4", "provisionedBy": LDAP["ldap"]}}
LOCAL: dict[str, Any] = {"local": {}}
OWN = "user { id isLdap isSaml loginDn hasValidPassword version }"


async def convert(
    service: Service, *pairs: tuple[str, Any], who: str = "admin", shown: str = SHOWN, **more: Any
) -> Any:
    given = {"conversions": [{"id": user, "to": to} for user, to in pairs], **more}
    return (await service.data(CONVERT % shown, {"input": given}, who=who))["convertUsers"]


async def one(service: Service, to: Any, user: str = "user_8", **more: Any) -> Any:
    (result,) = (await convert(service, (user, to), **more))["results"]
    return result


async def revert(service: Service, *users: str, who: str = "admin", shown: str = SHOWN, **more: Any) -> Any:
    answer = await service.data(REVERT % shown, {"input": {"ids": users, **more}}, who=who)
    return answer["revertConversions"]["results"]


async def furnish(service: Service) -> None:
    """Give `member` all that a conversion must keep, and a session that it ends."""
    await service.data("""mutation { updateUser(
      input: {id: "user_8", tags: ["t"], aliases: ["a"], groupIds: "group_2"}) { errors { code } } }""")
    await service.write("UPDATE users SET totp_secret = 'sealed', totp_enabled_at = created_at WHERE id = 8")
    await service.write(
        "INSERT INTO sessions (user_id, token_digest, created_at, expires_at)"
        " SELECT 8, 'd', created_at, created_at FROM users WHERE id = 8"
    )


async def identity(service: Service, user: int = 8) -> tuple[Any, ...]:
    sql = "SELECT provider_id, ldap_provider_id, login_dn, password_hash FROM users WHERE id = $1"
    return (await service.rows(sql, user))[0]


async def events(service: Service, user: int = 8) -> list[tuple[str, Any]]:
    sql = "SELECT action, changes FROM audit_events WHERE subject_type = 'user' AND subject_id = $1 ORDER BY id"
    return [(row[0], json.loads(row[1])) for row in await service.rows(sql, user)]


async def name_id(service: Service, user: int = 8) -> Any:
    return await service.scalar("SELECT name_id FROM users WHERE id = $1", user)
