"""users(asOf:): the directory as it was, below and above, in pages, by conditions; for whom; and what is refused."""

from typing import Any

import pytest

from tests.history import fields, moment, whole
from tests.mutations import ask
from tests.service import Service, beyond_who_asks

ROLES = "query($at: DateTime) { users(asOf: $at, first: 50) { nodes { username role { name } } } }"
PAST = "2026-01-01T00:00:00Z"


async def change(service: Service, mutation: str, **given: Any) -> None:
    answer = await ask(service, mutation, given, "errors { code message }")
    assert answer["errors"] == []


async def names(service: Service, asked: str, at: str | None, who: str = "admin") -> list[str]:
    document = f"query($at: DateTime) {{ users(asOf: $at, {asked}) {{ totalCount nodes {{ username }} }} }}"
    found = (await service.data(document, {"at": at}, who=who))["users"]
    assert found["totalCount"] == len(found["nodes"])
    return [each["username"] for each in found["nodes"]]


async def test_the_past_is_read_whole_and_is_not_changed_by_what_came_after(service: Service) -> None:
    await change(service, "updateUser", id="user_9", tags=["a"], aliases=["odd"], setVariables=[])
    await change(service, "createRole", name="Auditor", weight=30, permissions=["READ_AUDIT"], synonyms=["Checker"])
    await change(service, "updateUser", id="user_8", role={"name": "Auditor"})
    then, at = await whole(service), await moment()
    await change(service, "updateUser", id="user_9", name="Other", role={"name": "IT"}, setTags=["b"], setAliases=[])
    await change(service, "updateRole", id="role_6", name="Looker", permissions=[], synonyms=["Reader"])
    await change(service, "updateGroup", id="group_1", name="Web")
    await change(service, "updateOrganization", id="organization_4", parentId="organization_5", name="West")
    await change(service, "addOrganizationMembers", id="organization_4", userIds=["user_9"], role={"name": "IT"})
    await change(service, "addGroupMembers", id="group_2", userIds=["user_9"])
    await change(service, "updateIdentityProvider", id="provider_1", name="Here")
    await change(service, "revokeApiKeys", ids=["key_3"])
    await change(service, "deleteGroup", id="group_2")
    await change(service, "deleteUsers", ids=["user_8"])
    assert await whole(service, at) == then
    assert await whole(service, await moment()) == await whole(service) != then


async def test_who_was_an_administrator(service: Service) -> None:
    before = await moment()
    await change(service, "updateUser", id="user_9", role={"name": "Admin"})
    between = await moment()
    await change(service, "updateUser", id="user_9", role={"name": "Normal user"})
    await service.write("UPDATE role_names SET name = 'Root', name_key = 'root' WHERE name_key = 'admin'")
    after = await moment()
    admins = 'where: {role: {name: {eq: "Admin"}}}, orderBy: [{field: NAME}]'
    assert await names(service, admins, before) == ["admin"]
    assert await names(service, admins, between) == ["admin", "outsider"]
    assert await names(service, admins, after) == []
    assert await names(service, 'where: {role: {name: {eq: "root"}}}', after) == ["admin"]


async def test_deleted_users_are_in_the_past_with_what_hung_on_them(service: Service) -> None:
    at = await moment()
    await change(service, "deleteUsers", ids=["user_8"])
    document = """query($at: DateTime) { users(asOf: $at, where: {username: {eq: "member"}}) { nodes {
        id stableId groups { nodes { name } } memberships { nodes { organization { name } } } groupCount } } }"""
    assert await service.data(document, {"at": at}) == {
        "users": {
            "nodes": [
                {
                    "id": f"user_8@{at}",
                    "stableId": "user_8",
                    "groups": {"nodes": [{"name": "Web work"}]},
                    "memberships": {"nodes": [{"organization": {"name": "Acme East"}}]},
                    "groupCount": 1,
                }
            ]
        }
    }
    assert (await service.data(document, {"at": None}))["users"]["nodes"] == []


async def test_conditions_and_orders_are_those_of_the_moment(service: Service) -> None:
    await change(service, "updateUser", id="user_9", tags=["old"], aliases=["nine"], email="nine@x.test")
    at = await moment()
    await change(service, "updateUser", id="user_9", setTags=["new"], setAliases=[], email="ten@x.test", name="Aaa")
    await change(service, "deactivateUsers", ids=["user_9"])
    for asked in (
        'where: {tags: {some: {eq: "old"}}}',
        'where: {aliases: {some: {startsWith: "nin"}}}',
        'where: {email: {eq: "nine@x.test"}}',
        'where: {state: {eq: ACTIVE}, email: {contains: "nine"}}',
        'where: {organizations: {some: {id: {within: "organization_5"}}}}',
        'where: {accessibility: {eq: INTERACTIVE}, name: {eq: "Outsider"}}',
    ):
        assert await names(service, asked, at) == ["outsider"], asked
    assert (await names(service, "orderBy: [{field: NAME}], first: 50", at))[0] == "admin"
    assert (await names(service, "orderBy: [{field: NAME}], first: 50", await moment()))[0] == "outsider"


async def test_pages_of_the_past_follow_each_other(service: Service) -> None:
    order = "orderBy: [{field: CREATED_AT}, {field: ID}]"
    then = await names(service, order, None)
    at = await moment()
    await change(service, "deleteUsers", ids=["user_4", "user_8"])
    document = """query($at: DateTime, $after: String) {
        users(asOf: $at, first: 2, after: $after, ORDER) {
            edges { cursor node { username } } pageInfo { hasNextPage endCursor } } }""".replace("ORDER", order)
    found: list[str] = []
    after = None
    while True:
        page = (await service.data(document, {"at": at, "after": after}))["users"]
        found += [each["node"]["username"] for each in page["edges"]]
        if not page["pageInfo"]["hasNextPage"]:
            break
        after = page["pageInfo"]["endCursor"]
    assert found == then
    back = "query($at: DateTime) { users(asOf: $at, last: 2) { nodes { username } pageInfo { hasPreviousPage } } }"
    assert (await service.data(back, {"at": at}))["users"] == {
        "nodes": [{"username": "member"}, {"username": "outsider"}],
        "pageInfo": {"hasPreviousPage": True},
    }


async def test_a_key_that_was_revoked_or_expired_later_was_good_then(service: Service) -> None:
    await service.write("UPDATE identity_providers SET is_enabled = false WHERE id = 1")
    at = await moment()
    await change(service, "revokeApiKeys", ids=["key_5"])
    document = """query($at: DateTime) { users(asOf: $at, where: {username: {eq: "readonly"}}) { nodes {
        accessibility apiKeys { nodes { id isValid revokedAt } } } } }"""
    valid = {"id": f"key_5@{at}", "isValid": True, "revokedAt": None}
    found = (await service.data(document, {"at": at}))["users"]["nodes"]
    assert found == [{"accessibility": "API_ONLY", "apiKeys": {"nodes": [valid]}}]
    found = (await service.data(document, {"at": await moment()}))["users"]["nodes"]
    assert (found[0]["accessibility"], found[0]["apiKeys"]["nodes"][0]["isValid"]) == ("NONE", False)


async def test_before_a_user_was_made_there_was_none(service: Service) -> None:
    assert await whole(service, "1970-01-01T00:00:00Z") == {"totalCount": 0, "nodes": []}
    assert await whole(service, "0001-01-01T00:00:00Z") == {"totalCount": 0, "nodes": []}


async def test_a_key_is_proved_by_what_is_so_now(service: Service) -> None:
    """The statement that reads the past may not be the one that says whether the key still opens."""
    at = await moment()
    for _ in range(2):
        assert "data" in await service.ask(ROLES, {"at": at}, who="it")
    await service.write("UPDATE api_keys SET revoked_at = created_at WHERE user_id = 2")
    assert await service.codes(ROLES, {"at": at}, who="it") == ["UNAUTHENTICATED"]


async def test_the_past_needs_the_right_to_read_the_audit_log(service: Service) -> None:
    at = await moment()
    refused = {
        "message": "You may not ask for the past. Ask an administrator for a role with READ_AUDIT.",
        "path": ["users"],
        "extensions": {"code": "FORBIDDEN"},
    }
    document = "query($at: DateTime) { users(asOf: $at) { nodes { id name } } }"
    for who in ("normal", "pm"):
        assert (await service.ask(document, {"at": at}, who=who))["errors"] == [refused]
        assert "errors" not in await service.ask(document, {"at": None}, who=who)
    assert (await service.ask(document, {"at": at}, who="it"))["data"]


async def test_an_administrator_of_an_organization_sees_who_was_in_it(service: Service) -> None:
    before = await moment()
    await change(service, "removeOrganizationMembers", id="organization_3", userIds=["user_8"])
    await change(service, "addOrganizationMembers", id="organization_3", userIds=["user_9"])
    after = await moment()
    await change(service, "updateOrganization", id="organization_3", parentId="organization_5")
    moved = await moment()
    for at, others in ((before, ["member"]), (after, ["outsider"]), (moved, [])):
        assert await names(service, "first: 50", at, who="orgadmin") == ["orgadmin", *others]


async def test_who_may_read_the_log_of_an_organization_sees_nobody_elses_past(service: Service) -> None:
    """The right to read all users holds for now; the past is open where the log is."""
    role = {"name": "Log reader", "weight": 30, "permissions": ["READ_AUDIT", "READ_USERS", "USE_SELF_SERVICE"]}
    await change(service, "createRole", **role)
    await change(service, "updateUser", id="user_4", role={"name": "Project manager"})
    await service.write("""UPDATE roles SET rights = '["READ_USERS", "LIST_USERS", "USE_SELF_SERVICE"]' WHERE id = 3""")
    member = {"id": "organization_3", "userIds": ["user_4"], "role": {"name": "Log reader"}}
    await change(service, "addOrganizationMembers", **member)
    at = await moment()
    assert len(await names(service, "first: 50", at)) == 9
    assert await names(service, "first: 50", at, who="normal") == ["normal", "member"]
    now = await service.data("{ users(first: 50) { totalCount } }", who="normal")
    assert now == {"users": {"totalCount": 9}}


async def test_who_reads_some_whole_and_lists_all_sees_no_more_of_the_past(service: Service) -> None:
    """A membership lets them read the fields of some, their role the log and the names of all."""
    audit = {"name": "Lists", "weight": 30, "permissions": ["READ_AUDIT", "LIST_USERS", "USE_SELF_SERVICE"]}
    await change(service, "createRole", **audit)
    await change(service, "createRole", name="Reads", weight=20, permissions=["READ_USERS", "USE_SELF_SERVICE"])
    await change(service, "updateUser", id="user_4", role={"name": "Lists"})
    member = {"id": "organization_3", "userIds": ["user_4"], "role": {"name": "Reads"}}
    await change(service, "addOrganizationMembers", **member)
    at = await moment()
    document = "query($at: DateTime) { users(first: 50, asOf: $at) { nodes { username email loginDn } } }"
    now = await service.data(document, who="normal")
    assert 1 < len(now["users"]["nodes"]) < 9
    assert await service.data(document, {"at": at}, who="normal") == now
    report = "query($at: DateTime) { userReport(asOf: $at, groupBy: [{field: EMAIL_DOMAIN}]) { rows total } }"
    counted = await service.data(report, who="normal")
    assert await service.data(report, {"at": at}, who="normal") == counted
    assert counted["userReport"]["total"] == len(now["users"]["nodes"])


LEFT_OUT = [
    ("first: 1", "nodes { lastLoginAt }", ["User.lastLoginAt"]),
    ("first: 1", "nodes { name lastApiRequestAt lastLoginAt }", ["User.lastApiRequestAt", "User.lastLoginAt"]),
    ("first: 1", "edges { node { createdBy { sessions { totalCount } } } }", ["User.sessions"]),
    ("first: 1", "nodes { groups { nodes { users { nodes { invitations { totalCount } } } } } }", ["User.invitations"]),
    ("first: 1", "nodes { apiKeys { nodes { lastUsedAt } } }", ["ApiKey.lastUsedAt"]),
    ("first: 1", "nodes { identityProvider { ldapSettings { urls } } }", ["IdentityProvider.ldapSettings"]),
    ("where: {lastLoginAt: {isNull: true}}", "totalCount", ["User.lastLoginAt"]),
    ("where: {not: {or: [{createdBy: {invitations: {none: {}}}}]}}", "totalCount", ["User.invitations"]),
    ("where: {apiKeys: {some: {lastUsedAt: {isNull: true}}}}", "totalCount", ["ApiKey.lastUsedAt"]),
    ("orderBy: [{field: NAME}, {field: LAST_LOGIN_AT}]", "nodes { id }", ["User.lastLoginAt"]),
    ('search: "a"', "totalCount", ["search"]),
    (
        "orderBy: [{field: LAST_API_REQUEST_AT}]",
        "nodes { sessions { totalCount }"
        " groups(where: {users: {some: {lastLoginAt: {isNull: true}}}}) { totalCount } }",
        ["User.sessions", "User.lastApiRequestAt", "User.lastLoginAt"],
    ),
    (
        "first: 1",
        'nodes { organizations { nodes { users(search: "x", orderBy: [{field: LAST_LOGIN_AT}]) { totalCount } } } }',
        ["User.lastLoginAt", "search"],
    ),
]


@pytest.mark.parametrize(("asked", "selected", "named"), LEFT_OUT)
async def test_what_has_no_history_is_refused_by_name(
    service: Service, asked: str, selected: str, named: list[str]
) -> None:
    document = f"query($at: DateTime) {{ past: users(asOf: $at, {asked}) {{ {selected} }} }}"
    assert "errors" not in await service.ask(document, {"at": None})
    body = await service.ask(document, {"at": PAST})
    assert body["errors"] == [
        {
            "message": f"There is no history of {', '.join(named)}. Leave that out, or ask without asOf.",
            "path": ["past"],
            "extensions": {"code": "WITHOUT_HISTORY", "fields": named},
        }
    ]
    assert body["data"] is None
    assert "errors" not in await service.ask(document)


async def test_a_moment_that_is_yet_to_come_is_refused(service: Service) -> None:
    body = await service.ask(ROLES, {"at": "2999-01-01T00:00:00Z"})
    assert body["errors"] == [
        {
            "message": "asOf is in the future. Name a time that has been, or leave it out for now.",
            "path": ["users"],
            "extensions": {"code": "INVALID", "argument": ["asOf"]},
        }
    ]
    for bad in ("yesterday", "2026-13-01T00:00:00Z", "2026-01-01T00:00:00", 5):
        assert await service.codes(ROLES, {"at": bad}) == ["BAD_USER_INPUT"], bad


async def test_several_moments_and_now_stand_beside_each_other(service: Service) -> None:
    first = await moment()
    await change(service, "updateUser", id="user_9", name="Second")
    second = await moment()
    await change(service, "updateUser", id="user_9", name="Third")
    user = 'where: {username: {eq: "outsider"}}) { nodes { name updatedBy { name } } }'
    document = (
        f"query($a: DateTime, $b: DateTime) {{ a: users(asOf: $a, {user} b: users(asOf: $b, {user} users({user} }}"
    )
    found = await service.data(document, {"a": first, "b": second})
    assert [found[each]["nodes"][0]["name"] for each in ("a", "b", "users")] == ["Outsider", "Second", "Third"]


async def test_the_past_costs_the_statements_of_now_and_no_more_for_more_rows(service: Service) -> None:
    document = f"query($at: DateTime, $n: Int) {{ users(asOf: $at, first: $n) {{ nodes {{ {fields('User', 1)} }} }} }}"
    at = await moment()
    seen = {}
    for name, given in (("now", {"n": 9}), ("eight", {"at": at, "n": 8}), ("nine", {"at": at, "n": 9})):
        with service.statements() as statements:
            await service.data(document, given)
        seen[name] = len(beyond_who_asks(statements))
    assert seen["eight"] == seen["nine"] == seen["now"], seen
