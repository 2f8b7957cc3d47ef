"""Who may read what of the feed: as in GraphQL, row by row and field by field."""

import base64

import pytest

from graph.odata.model import SETS, model
from tests.odata import body, get, ids, refused, rows
from tests.service import PEOPLE, Service, key_of


async def test_strangers_get_nothing(service: Service) -> None:
    for path in ("", "$metadata", "Nothing", "Users/$count", "Users('user_8')", *SETS):
        answer = await get(service, path, who=None)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == 'Basic realm="usergraph", charset="UTF-8"'
        assert answer.json()["error"]["code"] == "UNAUTHENTICATED"
    for headers in ({"x-apikey": "wrong"}, {"authorization": "Bearer wrong"}, {"x-apikey": "x" * 500}):
        assert (await get(service, "Users", who=None, headers=headers)).status_code == 401
    assert (await service.client.get(f"/odata/Users?x-apikey={key_of('admin')}")).status_code == 401


async def test_keys_come_as_to_graphql(service: Service) -> None:
    key = key_of("admin")
    basic = "Basic " + base64.b64encode(f"anything:{key}".encode()).decode()
    for headers in ({"x-apikey": key}, {"authorization": f"Bearer {key}"}, {"authorization": basic}):
        assert (await get(service, "Users", who=None, headers=headers)).status_code == 200
    wrong = "Basic " + base64.b64encode(b"admin:wrong").decode()
    assert (await get(service, "Users", who=None, headers={"authorization": wrong})).status_code == 401


async def test_a_browser_is_not_asked_for_a_password(service: Service) -> None:
    """It would keep what it is given, and send it for the pages of other sites too."""
    answer = await get(service, "Users", who=None, headers={"sec-fetch-site": "none"})
    assert answer.status_code == 401
    assert "www-authenticate" not in answer.headers


@pytest.mark.parametrize("who", PEOPLE)
async def test_every_set_shows_the_rows_that_graphql_shows(service: Service, who: str) -> None:
    for name, of in model().sets.items():
        rows_in = "nodes { id }" if of.is_paged else "id"
        wanted = await service.ask(f"{{ {of.root} {{ {rows_in} }} }}", who=who)
        answer = await get(service, name, who=who, select="id")
        if "errors" in wanted:
            error = wanted["errors"][0]
            assert answer.status_code == 403
            assert answer.json()["error"]["code"] == error["extensions"]["code"] == "FORBIDDEN"
            assert answer.json()["error"]["message"] == error["message"]
            assert (await get(service, f"{name}/$count", who=who)).status_code == 403
            continue
        found = wanted["data"][of.root]["nodes"] if of.is_paged else wanted["data"][of.root]
        assert answer.json()["value"] == found
        assert (await get(service, f"{name}/$count", who=who)).text == str(len(found))


@pytest.mark.parametrize("who", PEOPLE)
async def test_without_select_what_may_not_be_read_is_left_out(service: Service, who: str) -> None:
    viewer = await service.data("{ viewer { visibleUserFields } }", who=who)
    visible = [n for n in model().types["User"].properties if n in viewer["viewer"]["visibleUserFields"]]
    answer = await get(service, "Users", who=who)
    if not visible:
        assert answer.status_code == 403
        return
    for row in answer.json()["value"]:
        assert list(row) == visible
    listed = "" if len(visible) == len(model().types["User"].properties) else f"({','.join(visible)})"
    assert answer.json()["@odata.context"].endswith(f"#Users{listed}")


async def test_what_is_hidden_cannot_be_asked_by_name(service: Service) -> None:
    for options, fields in (
        ({"select": "id,email"}, ["User.email"]),
        ({"filter": "email eq 'a'"}, ["User.email"]),
        ({"filter": "not (startswith(email,'a') or state eq 'ACTIVE')"}, ["User.email", "User.state"]),
        ({"filter": "role/name eq 'Admin'"}, ["User.role"]),
        ({"filter": "groups/any(g: g/name eq 'a')"}, ["User.groups"]),
        ({"filter": "tags/any()"}, ["User.tags"]),
        ({"orderby": "email"}, ["User.email"]),
        ({"expand": "role"}, ["User.role"]),
    ):
        for path in ("Users", "Users/$count") if set(options) <= {"filter"} else ("Users",):
            answer = await get(service, path, who="normal", **options)
            assert answer.status_code == 403, (path, options)
            error = answer.json()["error"]
            assert error["code"] == "FORBIDDEN"
            assert [each["target"] for each in error["details"]] == fields
    for path in (
        "Users('user_8')/email",
        "Users('user_8')/role",
        "Users('user_8')/groups/$count",
        "Groups('group_1')/users",
    ):
        assert (await refused(service, path, who="normal"))[:2] == (403, "FORBIDDEN")


async def test_an_administrator_of_an_organization_sees_its_users(service: Service) -> None:
    assert await ids(service, "Users", who="orgadmin") == ["user_6", "user_8"]
    assert await ids(service, "Users", who="orgadmin", filter="name ne 'x'") == ["user_6", "user_8"]
    assert await ids(service, "Memberships", who="orgadmin") == ["membership_1", "membership_2"]
    assert await ids(service, "GroupMemberships", who="orgadmin") == ["groupmembership_1"]
    assert (await get(service, "Users/$count", who="orgadmin")).text == "2"
    for path in ("Users('user_9')", "Users('user_9')/groups", "Memberships('membership_3')"):
        assert (await refused(service, path, who="orgadmin"))[:2] == (404, "NOT_FOUND")
    found = await body(
        service, "Groups", who="orgadmin", expand="users($select=id;$count=true)", filter="id eq 'group_1'"
    )
    assert (found["value"][0]["users@odata.count"], found["value"][0]["users"]) == (1, [{"id": "user_8"}])


async def test_the_audit_log_of_an_organization(service: Service) -> None:
    for user in ("user_8", "user_9"):
        await service.data(f'mutation {{ updateUser(input: {{id: "{user}", name: "N"}}) {{ errors {{ code }} }} }}')
    assert {"user_8", "user_9"} <= {row["subjectId"] for row in await rows(service, "AuditEvents")}
    assert [row["subjectId"] for row in await rows(service, "AuditEvents", who="orgadmin")] == ["user_8"]
    assert (await refused(service, "AuditEvents", who="normal"))[:2] == (403, "FORBIDDEN")


async def test_members_are_seen_in_groups_by_who_reads_them(service: Service) -> None:
    """The new lists of memberships show nothing that their users and groups do not."""
    for who in PEOPLE:
        answer = await service.ask("{ groupMemberships { totalCount nodes { user { id } group { name } } } }", who=who)
        if who in ("admin", "it", "robot", "orgadmin"):
            found = answer["data"]["groupMemberships"]
            assert found == {"totalCount": 1, "nodes": [{"user": {"id": "user_8"}, "group": {"name": "Web work"}}]}
        else:
            assert answer["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    await service.write(
        "INSERT INTO group_members (group_id, user_id, created_at) SELECT 2, 9, created_at FROM groups WHERE id = 1"
    )
    assert len(await rows(service, "GroupMemberships")) == 2
    assert await ids(service, "GroupMemberships", who="orgadmin") == ["groupmembership_1"]


async def test_a_session_that_must_set_a_second_factor_up_reads_nothing(service: Service) -> None:
    await service.write("UPDATE roles SET requires_second_factor = true WHERE id = 4")
    signed = await service.data(
        'mutation { signIn(input: {username: "member", password: "plum violin harbour 41"}) { session { token } } }',
        who=None,
    )
    bearer = {"authorization": f"Bearer {signed['signIn']['session']['token']}"}
    answer = await get(service, "Users", who=None, headers=bearer)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "SECOND_FACTOR_REQUIRED")
