"""One good call of every mutation there is: what makes it possible, its input, and what is selected of its answer."""

from collections.abc import Awaitable, Callable
from typing import Any

import pyotp

from tests.cast import PASSWORD
from tests.service import Service

NEW_PASSWORD = "amber ladder quiet 77"
USER = "user { id username email name state version isLdap hasValidPassword role { name } tags }"
ERRORS = "errors { code message path index }"
ROWS = f"summary {{ created updated unchanged skipped failed }} {ERRORS}"
RESULTS = f"{ROWS} results {{ index ref action changedFields {USER} {ERRORS} %s }}"
ISSUED = "invitation { id link expiresAt invitation { id state sentCount } }"
REPORT = f"savedReport {{ id name document variables version sharedWith {{ name }} }} {ERRORS}"
PROVIDER = f"identityProvider {{ id name prefix kind isEnabled serverNumber }} {ERRORS}"
ORGANIZATION = f"organization {{ id name parent {{ id }} userCount }} {ERRORS}"
GROUP = f"group {{ id name description userCount }} {ERRORS}"
ROLE = f"role {{ id name weight permissions synonyms }} {ERRORS}"

Prepare = Callable[[Service], Awaitable[dict[str, Any]]]


async def ask(service: Service, name: str, given: dict[str, Any], selection: str, who: str | None = "admin") -> Any:
    document = f"mutation($input: {input_type(name)}!) {{ {name}(input: $input) {{ {selection} }} }}"
    return (await service.data(document, {"input": given}, who=who))[name]


def input_type(name: str) -> str:
    return f"{name[0].upper()}{name[1:]}Input"


async def invitation(service: Service) -> Any:
    answer = await ask(service, "inviteUsers", {"users": [{"email": "i@x.test"}]}, f"results {{ {ISSUED} }}")
    return answer["results"][0]["invitation"]


async def pending(service: Service) -> dict[str, Any]:
    return {"ids": [(await invitation(service))["id"]]}


async def acceptance(service: Service) -> dict[str, Any]:
    token = (await invitation(service))["link"].split("#")[1]
    return {"token": token, "password": NEW_PASSWORD, "name": "Come In"}


async def converted(service: Service) -> dict[str, Any]:
    to = {"conversions": [{"id": "user_9", "to": {"saml": {}}}]}
    assert (await ask(service, "convertUsers", to, "results { action }"))["results"] == [{"action": "UPDATED"}]
    return {"ids": ["user_9"]}


async def deactivated(service: Service) -> dict[str, Any]:
    await ask(service, "deactivateUsers", {"ids": ["user_9"]}, ERRORS)
    return {"ids": ["user_9"]}


async def reset(service: Service) -> dict[str, Any]:
    answer = await ask(service, "requestPasswordReset", {"email": "outsider@usergraph.test"}, "link")
    return {"token": answer["link"].split("#")[1], "newPassword": NEW_PASSWORD}


async def with_password(service: Service) -> dict[str, Any]:
    """The administrator has none to begin with."""
    await service.write("UPDATE users SET password_hash = (SELECT password_hash FROM users WHERE id = 8) WHERE id = 1")
    return {"currentPassword": PASSWORD}


async def enrolling(service: Service) -> dict[str, Any]:
    secret = (await ask(service, "enrollSecondFactor", await with_password(service), "secret"))["secret"]
    return {"code": pyotp.TOTP(secret).now()}


async def enrolled(service: Service) -> dict[str, Any]:
    codes = (await ask(service, "confirmSecondFactor", await enrolling(service), "recoveryCodes"))["recoveryCodes"]
    return {"code": codes[0]}


async def others_factor(service: Service) -> dict[str, Any]:
    await service.write("UPDATE users SET totp_secret = 'sealed', totp_enabled_at = created_at WHERE id = 9")
    return {"ids": ["user_9"]}


async def own_role(service: Service) -> dict[str, Any]:
    given = {"name": "Auditor", "weight": 30, "permissions": ["READ_AUDIT"], "synonyms": ["Checker"]}
    return {"id": (await ask(service, "createRole", given, "role { id }"))["role"]["id"]}


async def open_sessions(service: Service) -> dict[str, Any]:
    given = {"username": "outsider", "password": PASSWORD}
    opened = [await ask(service, "signIn", given, "session { id }", None) for _ in range(2)]
    return {"ids": [each["session"]["id"] for each in opened]}


async def own_report(service: Service) -> dict[str, Any]:
    given = {"name": "mine", "document": "{ me { id } }", "sharedWith": [{"name": "IT"}]}
    return {"id": (await ask(service, "createSavedReport", given, "savedReport { id }"))["savedReport"]["id"]}


async def own_reports(service: Service) -> dict[str, Any]:
    return {"ids": [(await own_report(service))["id"]]}


def fixed(**given: Any) -> Prepare:
    async def prepare(_: Service) -> dict[str, Any]:
        return given

    return prepare


def also(prepare: Prepare, **more: Any) -> Prepare:
    async def prepared(service: Service) -> dict[str, Any]:
        return {**await prepare(service), **more}

    return prepared


NEW_USER = {"username": "new", "email": "new@x.test", "name": "New", "role": {"name": "IT"}}
LDAP = {"ldap": {"serverNumber": 1, "loginDn": "cn=outsider,dc=x,dc=test"}}
# Their dry runs are kept: the plan is what was asked for (tests/test_reconcile_users.py).
PLANS = ("reconcileUsers", "syncDirectory")
CASES: dict[str, tuple[Prepare, str]] = {
    "createUser": (fixed(**NEW_USER, authentication={"local": {"password": PASSWORD}}), f"{USER} {ERRORS}"),
    "inviteUsers": (fixed(users=[{"email": "a@x.test", "ref": "1"}, {"email": "b@x.test"}]), RESULTS % ISSUED),
    "acceptInvitation": (acceptance, f"{USER} {ERRORS}"),
    "resendInvitations": (pending, RESULTS % ISSUED),
    "revokeInvitations": (pending, RESULTS % ISSUED),
    "updateUser": (fixed(id="user_9", name="Odd", tags=["a|b"], aliases=["o"]), f"{USER} changedFields {ERRORS}"),
    "upsertUsers": (
        fixed(users=[{"email": "a@x.test"}, {"email": "member@usergraph.test", "tags": ["t"]}]),
        RESULTS % "matchedBy",
    ),
    "reconcileUsers": (fixed(users=[{"email": "a@x.test"}], source="hr"), f"job {{ id kind source total }} {ERRORS}"),
    "syncDirectory": (fixed(provider="provider_2"), f"job {{ id kind source isDryRun }} {ERRORS}"),
    "convertUsers": (fixed(conversions=[{"id": "user_9", "to": LDAP}]), RESULTS % "kept lost"),
    "revertConversions": (converted, RESULTS % ""),
    "activateUsers": (deactivated, RESULTS % ""),
    "deactivateUsers": (fixed(ids=["user_4", "user_9"]), RESULTS % "endedSessions revokedKeys revokedInvitations"),
    "deleteUsers": (fixed(ids=["user_9"]), RESULTS % "deletedId"),
    "eraseUsers": (fixed(ids=["user_9"]), RESULTS % "erasedId pseudonym erasedRows { table rows }"),
    "changePassword": (fixed(id="user_9", newPassword=NEW_PASSWORD), f"{USER} {ERRORS}"),
    "requestPasswordReset": (fixed(email="outsider@usergraph.test"), f"accepted link expiresAt {ERRORS}"),
    "resetPassword": (reset, f"{USER} {ERRORS}"),
    "enrollSecondFactor": (with_password, f"secret otpauthUri {ERRORS}"),
    "confirmSecondFactor": (enrolling, f"recoveryCodes {ERRORS}"),
    "disableSecondFactor": (also(enrolled, currentPassword=PASSWORD), f"is2faEnabled {ERRORS}"),
    "regenerateRecoveryCodes": (enrolled, f"recoveryCodes {ERRORS}"),
    "resetSecondFactor": (others_factor, RESULTS % ""),
    "signIn": (
        fixed(username="outsider", password=PASSWORD),
        f"session {{ id token expiresAt }} user {{ id username }} mustEnrollSecondFactor {ERRORS}",
    ),
    "endSessions": (open_sessions, RESULTS % "session { id isOpen }"),
    "createApiKey": (
        fixed(name="ci", userId="user_9", permissions=["USE_SELF_SERVICE"]),
        f"secret apiKey {{ id name prefix permissions isValid user {{ id }} }} {ERRORS}",
    ),
    "revokeApiKeys": (fixed(ids=["key_3", "key_4"]), RESULTS % "apiKey { id isValid }"),
    "createRole": (fixed(name="Auditor", weight=30, permissions=["READ_AUDIT"], synonyms=["Checker"]), ROLE),
    "updateRole": (also(own_role, name="Reviewer", weight=20, permissions=[], synonyms=["Looker"]), ROLE),
    "deleteRole": (own_role, f"deletedId {ERRORS}"),
    "createIdentityProvider": (fixed(name="Third", prefix="ldap3", kind="LDAP", serverNumber=3), PROVIDER),
    "updateIdentityProvider": (fixed(id="provider_3", isEnabled=True, serverNumber=4, name="New LDAP"), PROVIDER),
    "deleteIdentityProvider": (fixed(id="provider_4"), f"deletedId {ERRORS}"),
    "createOrganization": (fixed(name="Acme North", parentId="organization_2"), ORGANIZATION),
    "updateOrganization": (fixed(id="organization_4", name="West", parentId="organization_5"), ORGANIZATION),
    "deleteOrganization": (fixed(id="organization_4"), f"deletedId {ERRORS}"),
    "addOrganizationMembers": (
        fixed(id="organization_4", userIds=["user_8", "user_9"], role={"name": "IT"}),
        f"{RESULTS % ''} {ORGANIZATION.replace(ERRORS, '')}",
    ),
    "removeOrganizationMembers": (
        fixed(id="organization_3", userIds=["user_8", "user_9"]),
        f"{RESULTS % ''} {ORGANIZATION.replace(ERRORS, '')}",
    ),
    "createGroup": (fixed(name="Choir", description="Sings"), GROUP),
    "updateGroup": (fixed(id="group_1", name="Web", description="Pages"), GROUP),
    "deleteGroup": (fixed(id="group_1"), f"deletedId {ERRORS}"),
    "addGroupMembers": (
        fixed(id="group_1", userIds=["user_8", "user_9"]),
        f"{RESULTS % ''} {GROUP.replace(ERRORS, '')}",
    ),
    "removeGroupMembers": (
        fixed(id="group_1", userIds=["user_8", "user_9"]),
        f"{RESULTS % ''} {GROUP.replace(ERRORS, '')}",
    ),
    "createSavedReport": (
        fixed(name="mine", document="query($n: Int) { users(first: $n) { totalCount } }", variables={"n": 3}),
        REPORT,
    ),
    "updateSavedReport": (also(own_report, name="yours", sharedWith=[]), REPORT),
    "deleteSavedReports": (own_reports, f"{ROWS} results {{ index ref action deletedId {ERRORS} }}"),
}
