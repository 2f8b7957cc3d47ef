"""A membership in an organization outside the viewer's own is absent by every way that leads over memberships."""

from typing import Any

import pytest

from tests.exporting import fetch
from tests.service import Service, key_of
from tests.test_visibility import join

ELSEWHERE = "organization_5"
USER_8 = 'users(where: {id: {eq: "user_8"}})'
EAST = {"name": "Acme East"}

# By name: the query, what the administrator of Acme is answered, and what an administrator is.
WAYS: dict[str, tuple[str, Any, Any]] = {
    "memberships": (
        f"{{ it: {USER_8} {{ nodes {{ memberships {{ totalCount nodes {{ organization {{ name }} }} }} }} }} }}",
        [{"memberships": {"totalCount": 1, "nodes": [{"organization": EAST}]}}],
        [{"memberships": {"totalCount": 2, "nodes": [{"organization": EAST}, {"organization": {"name": "Other"}}]}}],
    ),
    "organizations of a user": (
        f"{{ it: {USER_8} {{ nodes {{ organizations {{ totalCount nodes {{ name }} }} }} }} }}",
        [{"organizations": {"totalCount": 1, "nodes": [EAST]}}],
        [{"organizations": {"totalCount": 2, "nodes": [EAST, {"name": "Other"}]}}],
    ),
    "organizations of several users": (
        '{ it: users(where: {id: {in: ["user_6", "user_8"]}}) { nodes { organizations(first: 5) { totalCount } } } }',
        [{"organizations": {"totalCount": 1}}] * 2,
        [{"organizations": {"totalCount": 1}}, {"organizations": {"totalCount": 2}}],
    ),
    "users of an organization": (
        f'{{ it: organizations(where: {{id: {{eq: "{ELSEWHERE}"}}}})'
        " { nodes { userCount users { totalCount nodes { id } } } } }",
        [{"userCount": 0, "users": {"totalCount": 0, "nodes": []}}],
        [{"userCount": 2, "users": {"totalCount": 2, "nodes": [{"id": "user_8"}, {"id": "user_9"}]}}],
    ),
    "condition some": (
        f'{{ it: users(where: {{organizations: {{some: {{id: {{eq: "{ELSEWHERE}"}}}}}}}}) {{ nodes {{ id }} }} }}',
        [],
        [{"id": "user_8"}, {"id": "user_9"}],
    ),
    "condition within": (
        f'{{ it: users(where: {{organizations: {{some: {{id: {{within: "{ELSEWHERE}"}}}}}}}}) {{ nodes {{ id }} }} }}',
        [],
        [{"id": "user_8"}, {"id": "user_9"}],
    ),
    "condition none": (
        f'{{ it: users(where: {{id: {{in: ["user_8", "user_6"]}}, organizations: {{none: {{id: {{eq: "{ELSEWHERE}"}}}}'
        "}}) { nodes { id } } }",
        [{"id": "user_6"}, {"id": "user_8"}],
        [{"id": "user_6"}],
    ),
    "condition of an organization": (
        '{ it: organizations(where: {users: {some: {id: {eq: "user_8"}}}}) { nodes { name } } }',
        [EAST],
        [EAST, {"name": "Other"}],
    ),
}


async def furnish(service: Service) -> None:
    await join(service, "organization_members", 5, 8)


@pytest.mark.parametrize("way", WAYS)
async def test_a_membership_elsewhere_is_absent_for_an_organizations_administrator(service: Service, way: str) -> None:
    await furnish(service)
    query, narrow, wide = WAYS[way]
    assert (await service.data(query, who="orgadmin"))["it"]["nodes"] == narrow
    assert (await service.data(query, who="admin"))["it"]["nodes"] == wide


@pytest.mark.parametrize("level", ["", ", level: 1", ", level: 2"])
async def test_a_report_counts_no_membership_elsewhere(service: Service, level: str) -> None:
    await furnish(service)
    query = f"{{ userReport(groupBy: [{{field: ORGANIZATION{level}}}]) {{ rows }} }}"
    found = {}
    for who in ("orgadmin", "admin"):
        rows = (await service.data(query, who=who))["userReport"]["rows"]
        found[who] = {row["organization"] for row in rows}
    assert "Other" in found["admin"]
    assert "Other" not in found["orgadmin"]
    different = (
        '{ userReport(measures: [{measure: DISTINCT, of: ORGANIZATION, where: {id: {eq: "user_8"}}}]) { rows } }'
    )
    counts = [(await service.data(different, who=who))["userReport"]["rows"] for who in ("orgadmin", "admin")]
    assert [list(rows[0].values()) for rows in counts] == [[1], [2]]


async def test_exports_and_odata_hold_no_membership_elsewhere(service: Service) -> None:
    await furnish(service)
    query = f"{{ {USER_8} {{ nodes {{ id organizations {{ nodes {{ name }} }} }} }} }}"
    for who, held in (("orgadmin", False), ("admin", True)):
        text = (await fetch(service, query, "ndjson", who=who)).text
        assert ("Other" in text, "Acme East" in text) == (held, True)
        headers = {"x-apikey": key_of(who)}
        expanded = await service.client.get(
            "/odata/Users?$expand=organizations&$filter=id eq 'user_8'", headers=headers
        )
        assert ("Other" in expanded.text, "Acme East" in expanded.text) == (held, True), expanded.text
        filtered = await service.client.get(
            "/odata/Users?$filter=organizations/any(o:o/name eq 'Other')", headers=headers
        )
        assert len(filtered.json()["value"]) == (2 if held else 0)


async def test_a_user_sees_their_own_memberships_wherever_they_are(service: Service) -> None:
    await join(service, "organization_members", 5, 6)
    own = await service.data("{ me { organizations { nodes { name } } memberships { totalCount } } }", who="orgadmin")
    assert own["me"] == {
        "organizations": {"nodes": [{"name": "Acme"}, {"name": "Other"}]},
        "memberships": {"totalCount": 2},
    }


async def test_an_event_that_names_an_organization_out_of_sight_is_absent(service: Service) -> None:
    add = "mutation($input: AddOrganizationMembersInput!) { addOrganizationMembers(input: $input) { errors { code } } }"
    changed = '(input: {id: "organization_4", name: $name})'
    renamed = f"mutation($name: String!) {{ updateOrganization{changed} {{ errors {{ code }} }} }}"
    await service.data(renamed, {"name": "Middle"})
    for number in (5, 4, 1):
        given = {"input": {"id": f"organization_{number}", "userIds": ["user_8"]}}
        assert (await service.data(add, given))["addOrganizationMembers"]["errors"] == []
    await service.data(renamed, {"name": "West"})
    named = 'mutation { updateUser(input: {id: "user_8", name: "Other"}) { errors { code } } }'
    assert (await service.data(named))["updateUser"]["errors"] == []
    asked = '{ auditEvents(where: {subjectId: {eq: "user_8"}}) { totalCount nodes { changes } } }'
    renaming, west = {"name": ["Member", "Other"]}, {"organizations": [None, ["Middle"]]}
    seen = (await service.data(asked, who="orgadmin"))["auditEvents"]
    assert seen == {"totalCount": 2, "nodes": [{"changes": renaming}, {"changes": west}]}
    assert (await service.data(asked))["auditEvents"]["totalCount"] == 4
