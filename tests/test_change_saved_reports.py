"""Saving, changing and deleting reports: what is kept, what is refused and why, and who may."""

from typing import Any

import pytest

from resolvers.change_saved_reports import LONGEST_DOCUMENT, LONGEST_VARIABLES, MOST_REPORTS
from tests.saved_reports import SINCE, WHO_THERE_IS, create, delete, events, names, refusals, saved, saved_for, update
from tests.service import Service

STORED = "SELECT name, name_key, description, document, owner_id, is_built_in, version FROM saved_reports WHERE id = $1"


async def test_a_report_is_kept_and_recorded(service: Service) -> None:
    answer = await create(
        service,
        " Who-Is-There-2 ",
        who="pm",
        description=" Everybody ",
        document=SINCE,
        variables={"since": "2020-01-01T00:00:00Z", "name": "createdAfter"},
        sharedWith=[{"name": "project manager"}, {"id": "role_4"}, {"name": "ProjectManager"}],
    )
    variables = {"since": "2020-01-01T00:00:00Z", "name": "createdAfter"}
    assert answer == {
        "savedReport": {
            "id": "report_5",
            "name": "Who-Is-There-2",
            "description": "Everybody",
            "document": SINCE,
            "variables": variables,
            "url": "/reports/Who-Is-There-2",
            "isBuiltIn": False,
            "version": 1,
            "owner": {"id": "user_3"},
            "sharedWith": [{"name": "Project manager"}, {"name": "Normal user"}],
        },
        "errors": [],
    }
    assert await service.rows(STORED, 5) == [("Who-Is-There-2", "who-is-there-2", "Everybody", SINCE, 3, False, 1)]
    shared = await service.rows("SELECT role_id FROM saved_report_roles WHERE report_id = 5 ORDER BY role_id")
    assert shared == [(3,), (4,)]
    assert await events(service, "report_5") == [
        (
            "CREATED",
            "pm",
            {
                "name": [None, "Who-Is-There-2"],
                "description": [None, "Everybody"],
                "document": [None, SINCE],
                "variables": [None, variables],
                "sharedWith": [None, ["Normal user", "Project manager"]],
            },
        )
    ]
    subject = "{ auditEvents(first: 1) { nodes { subjectId subject { id ... on SavedReport { name } } } } }"
    (event,) = (await service.data(subject))["auditEvents"]["nodes"]
    assert event == {"subjectId": "report_5", "subject": {"id": "report_5", "name": "Who-Is-There-2"}}


async def test_names_in_variables_are_nobodys_to_spell_otherwise(service: Service) -> None:
    document = "query($createdAfter: DateTime!, $where: UserWhere) { users(where: $where) { totalCount } a: users"
    document += "(where: {createdAt: {after: $createdAfter}}) { totalCount } }"
    variables = {
        "createdAfter": "-P1D",
        "where": {"lastLoginAt": {"isNull": True}, "createdBy": {"firstName": {"eq": "x"}}},
    }
    report = await saved(service, document=document, variables=variables)
    literal = """mutation($id: ID!) { updateSavedReport(input: {id: $id, variables: {createdAfter: "-P2D",
      where: {lastLoginAt: {isNull: false}}}}) { savedReport { variables } errors { message } } }"""
    read = await service.data('{ savedReport(name: "mine") { variables } }')
    assert read["savedReport"]["variables"] == variables
    changed = (await service.data(literal, {"id": report}))["updateSavedReport"]
    assert changed == {
        "savedReport": {"variables": {"createdAfter": "-P2D", "where": {"lastLoginAt": {"isNull": False}}}},
        "errors": [],
    }


DEEP = "{ users { nodes { " + "createdBy { " * 20 + "id" + " }" * 20 + " } } }"
REFUSED: list[tuple[dict[str, Any], str, list[str], str]] = [
    ({"name": " "}, "REQUIRED", ["name"], ""),
    ({"name": "two words"}, "INVALID", ["name"], "letters a to z"),
    ({"name": "a/b"}, "INVALID", ["name"], "letters a to z"),
    ({"name": "-a"}, "INVALID", ["name"], "letters a to z"),
    ({"name": "\u00fcber"}, "INVALID", ["name"], "letters a to z"),
    ({"name": "n" * 101}, "INVALID", ["name"], "longer than 100"),
    ({"name": "POSTURE"}, "TAKEN", ["name"], "POSTURE is taken"),
    ({"name": "Theirs"}, "TAKEN", ["name"], "Theirs is taken"),
    ({"description": "d" * 1_025}, "INVALID", ["description"], "1024"),
    ({"document": ""}, "INVALID", ["document"], "Syntax Error"),
    ({"document": "{ users { nodes { id }"}, "INVALID", ["document"], "Line 1, column 23: Syntax Error"),
    (
        {"document": "{ users { nodes { nme } } }"},
        "INVALID",
        ["document"],
        "Line 1, column 19: Cannot query field 'nme'",
    ),
    ({"document": "{ a { x } b { y } c { z } d { z } }"}, "INVALID", ["document"], "… and 1 more."),
    ({"document": "mutation { signOut(input: {}) { errors { code } } }"}, "INVALID", ["document"], "one query"),
    ({"document": "query A { me { id } } query B { me { id } }"}, "INVALID", ["document"], "one query"),
    ({"document": "fragment F on User { id }"}, "INVALID", ["document"], ""),
    ({"document": "{ users(first: $n) { nodes { id } } }"}, "INVALID", ["document"], "$n"),
    (
        {"document": "query($format: String) { users(search: $format) { totalCount } }"},
        "INVALID",
        ["document"],
        "$format",
    ),
    ({"document": DEEP}, "INVALID", ["document"], "levels of nesting"),
    ({"document": "{ " + " ".join(f"a{n}: me {{ id }}" for n in range(60)) + " }"}, "INVALID", ["document"], "aliases"),
    (
        {"document": "{ users(first: 1000) { nodes { groups(first: 1000) { nodes { id } } } } }"},
        "INVALID",
        ["document"],
        "rows, more than",
    ),
    ({"document": "{ me { id } } #" + "x" * LONGEST_DOCUMENT}, "INVALID", ["document"], str(LONGEST_DOCUMENT)),
    ({"variables": {"since": "-P1D"}}, "INVALID", ["variables"], "declares no variable $since"),
    ({"document": SINCE, "variables": {"since": "yesterday"}}, "INVALID", ["variables"], "A DateTime looks like"),
    ({"document": SINCE, "variables": {"since": None}}, "INVALID", ["variables"], "$since"),
    ({"document": SINCE, "variables": {"states": ["LOST"]}}, "INVALID", ["variables"], "UserState"),
    ({"document": SINCE, "variables": {"first": "3"}}, "INVALID", ["variables"], "Int"),
    ({"document": SINCE, "variables": {"name": "x" * LONGEST_VARIABLES}}, "INVALID", ["variables"], "bytes"),
    ({"variables": ["since"]}, "INVALID", ["variables"], "object"),
    ({"variables": "since"}, "INVALID", ["variables"], "object"),
    (
        {"sharedWith": [{"name": "IT"}, {"name": "Nobody"}]},
        "NOT_FOUND",
        ["sharedWith", "1", "name"],
        "there are: Admin",
    ),
    ({"sharedWith": [{"id": "role_99"}]}, "NOT_FOUND", ["sharedWith", "0", "id"], "role_99"),
    ({"sharedWith": [{"name": "IT"}] * 51}, "INVALID", ["sharedWith"], "50 roles"),
]


@pytest.mark.parametrize(("given", "code", "path", "said"), REFUSED, ids=[f"{n}" for n in range(len(REFUSED))])
async def test_a_report_that_cannot_be_says_why(
    service: Service, given: Any, code: str, path: list[str], said: str
) -> None:
    own = await saved(service, "own", who="pm")
    await saved(service, "theirs", who="it")
    before = await service.snapshot()
    for answer in (await create(service, who="pm", **given), await update(service, own, who="pm", **given)):
        assert refusals(answer) == [(code, path)]
        assert said in answer["errors"][0]["message"]
    assert await service.snapshot() == before


async def test_a_report_changes_in_what_is_sent(service: Service) -> None:
    report = await saved(service, "r-1", who="pm", document=SINCE, variables={"since": "-P1D"})
    members = [{"name": "Normal user"}]
    steps: list[tuple[dict[str, Any], dict[str, Any] | None]] = [
        ({"name": "R-1"}, {"name": ["r-1", "R-1"]}),
        ({"name": "R-1", "document": SINCE}, None),
        ({}, None),
        ({"description": "What"}, {"description": [None, "What"]}),
        ({"sharedWith": members}, {"sharedWith": [[], ["Normal user"]]}),
        ({"sharedWith": members, "variables": {"since": "-P1D"}}, None),
        ({"variables": {}}, {"variables": [{"since": "-P1D"}, {}]}),
        (
            {"description": None, "sharedWith": None},
            {"description": ["What", None], "sharedWith": [["Normal user"], []]},
        ),
        ({"document": WHO_THERE_IS, "variables": None}, {"document": [SINCE, WHO_THERE_IS]}),
    ]
    version = 1
    for given, changes in steps:
        answer = await update(service, report, who="pm", **given)
        version += changes is not None
        assert answer["errors"] == []
        assert answer["savedReport"]["version"] == version
        told = await events(service, report)
        assert len(told) == version
        if changes is not None:
            assert told[-1] == ("UPDATED", "pm", changes)
    assert await service.rows(STORED, 5) == [("R-1", "r-1", None, WHO_THERE_IS, 3, False, version)]
    assert await service.rows("SELECT * FROM saved_report_roles") == []


async def test_a_document_must_fit_the_variables_that_are_kept(service: Service) -> None:
    report = await saved(service, document=SINCE, variables={"since": "-P1D"})
    before = await service.snapshot()
    answer = await update(service, report, document=WHO_THERE_IS)
    assert refusals(answer) == [("INVALID", ["variables"])]
    assert await service.snapshot() == before


async def test_only_the_owner_and_who_manages_roles_may_change_or_delete(service: Service) -> None:
    report = await saved_for(service, "IT", "shared", who="pm")
    posture = (await service.data('{ savedReport(name: "posture") { id } }'))["savedReport"]["id"]
    before = await service.snapshot()
    wanted = {"it": "FORBIDDEN", "robot": "FORBIDDEN", "normal": "NOT_FOUND", "orgadmin": "NOT_FOUND"}
    for who, code in wanted.items():
        assert refusals(await update(service, report, who=who, name="stolen")) == [(code, ["id"])]
        gone = await delete(service, report, who=who)
        assert [error["code"] for error in gone["results"][0]["errors"]] == [code]
    for who in ("admin", "it"):
        assert refusals(await update(service, posture, who=who, name="mine")) == [("BUILT_IN", ["id"])]
        gone = await delete(service, posture, who=who)
        assert [error["code"] for error in gone["results"][0]["errors"]] == ["BUILT_IN"]
    assert await service.snapshot() == before
    assert (await update(service, report, who="admin", description="Looked at"))["errors"] == []
    assert (await delete(service, report, who="admin"))["summary"] == {"deleted": 1, "skipped": 0, "failed": 0}
    assert [(action, actor) for action, actor, _ in await events(service, report)] == [
        ("CREATED", "pm"),
        ("UPDATED", "admin"),  # shared
        ("UPDATED", "admin"),
        ("DELETED", "admin"),
    ]


async def test_a_key_that_is_narrowed_to_reading_saves_nothing(service: Service) -> None:
    make = 'mutation($r: [Right!]) { createApiKey(input: {name: "bi", permissions: $r}) { secret } }'
    for rights, code in ((["READ_DIRECTORY", "READ_USERS"], "FORBIDDEN"), (["USE_SELF_SERVICE"], "FORBIDDEN")):
        secret = (await service.data(make, {"r": rights}, who="it"))["createApiKey"]["secret"]
        document = 'mutation($d: String!) { createSavedReport(input: {name: "x", document: $d}) { errors { code } } }'
        answer = await service.client.post(
            "/graphql", json={"query": document, "variables": {"d": WHO_THERE_IS}}, headers={"x-apikey": secret}
        )
        assert answer.json()["data"]["createSavedReport"]["errors"] == [{"code": code}], rights
    assert await names(service, "it") == []


async def test_reports_are_deleted_one_by_one_or_all_or_none(service: Service) -> None:
    first, second = await saved(service, "first", who="pm"), await saved(service, "second", who="pm")
    theirs = await saved(service, "theirs", who="it", sharedWith=[{"name": "Project manager"}])
    before = await service.snapshot()
    answer = await delete(service, first, theirs, "report_99", "group_1", first, who="pm")
    assert [[error["code"] for error in row["errors"]] for row in answer["results"]] == [
        ["OTHERS_FAILED"],
        ["FORBIDDEN"],
        ["NOT_FOUND"],
        ["NOT_FOUND"],
        ["DUPLICATE"],
    ]
    assert answer["summary"] == {"deleted": 0, "skipped": 1, "failed": 4}
    assert await service.snapshot() == before
    answer = await delete(service, first, theirs, second, who="pm", errorPolicy="REJECT_FAILED")
    assert answer == {
        "summary": {"deleted": 2, "skipped": 0, "failed": 1},
        "errors": [],
        "results": [
            {"index": 0, "ref": first, "action": "DELETED", "deletedId": first, "errors": []},
            {
                "index": 1,
                "ref": theirs,
                "action": "FAILED",
                "deletedId": None,
                "errors": [{"code": "FORBIDDEN", "path": ["ids", "1"]}],
            },
            {"index": 2, "ref": second, "action": "DELETED", "deletedId": second, "errors": []},
        ],
    }
    assert await names(service, "admin") == ["theirs"]
    assert (await events(service, first))[-1][2] == {"name": ["first", None], "document": [WHO_THERE_IS, None]}


async def test_a_report_outlives_its_owner_for_whom_it_is_shared_with(service: Service) -> None:
    report = await saved_for(service, "IT", "shared", who="pm")
    await saved(service, "private", who="pm")
    gone = await service.data('mutation { deleteUsers(input: {ids: "user_3"}) { summary { deleted } } }')
    assert gone["deleteUsers"]["summary"] == {"deleted": 1}
    assert await names(service, "it") == ["shared"]
    assert await names(service, "normal") == []
    assert await names(service, "admin") == ["private", "shared"]
    owner = await service.data('{ savedReport(name: "shared") { isBuiltIn owner { id } } }', who="it")
    assert owner["savedReport"] == {"isBuiltIn": False, "owner": None}
    assert refusals(await update(service, report, who="it", name="mine-now")) == [("FORBIDDEN", ["id"])]
    assert (await update(service, report, who="admin", sharedWith=[]))["errors"] == []


async def test_a_role_that_goes_takes_the_sharing_with_it(service: Service) -> None:
    make = 'mutation { createRole(input: {name: "Auditor", weight: 30, permissions: [READ_AUDIT]}) { role { id } } }'
    role = (await service.data(make))["createRole"]["role"]["id"]
    report = await saved(service, "shared", who="pm", sharedWith=[{"id": role}])
    gone = await service.data("mutation($id: ID!) { deleteRole(input: {id: $id}) { errors { code } } }", {"id": role})
    assert gone["deleteRole"]["errors"] == []
    assert await names(service, "pm") == ["shared"]
    assert (await update(service, report, who="pm", description="Mine"))["savedReport"]["sharedWith"] == []


async def test_nobody_keeps_more_reports_than_are_allowed(service: Service) -> None:
    columns = "name, name_key, document, variables, owner_id, is_built_in, created_at, updated_at, version"
    row = "'r-' || {n}, 'r-' || {n}, '{{ me {{ id }} }}', '{{}}', 3, false, u.created_at, u.created_at, 1"
    for number in range(MOST_REPORTS - 1):
        await service.write(
            f"INSERT INTO saved_reports ({columns}) SELECT {row.format(n=number)} FROM users u WHERE u.id = 3"
        )
    assert (await create(service, "last-one", who="pm"))["errors"] == []
    answer = await create(service, "too-many", who="pm")
    assert refusals(answer) == [("INVALID", ["name"])]
    assert answer["errors"][0]["message"] == f"You keep {MOST_REPORTS} reports. Delete some first."
    assert (await create(service, "not-mine", who="it"))["errors"] == []


async def test_sharing_with_a_heavier_role_needs_a_right(service: Service) -> None:
    """Whoever runs a report runs it with their own rights: nobody lays one before those above them."""
    report = await saved(service, "r-1", who="pm")
    given = {"sharedWith": [{"name": "Normal user"}, {"name": "IT"}]}
    before = await service.snapshot()
    for answer in (
        await create(service, who="pm", name="r-2", **given),
        await update(service, report, who="pm", **given),
    ):
        assert refusals(answer) == [("FORBIDDEN", ["sharedWith", "1"])]
        assert "share a report with IT, a role heavier than your own" in answer["errors"][0]["message"]
        assert "MANAGE_ROLES" in answer["errors"][0]["message"]
    assert await service.snapshot() == before
    with_right = await create(service, who="admin", name="r-2", **given)
    assert with_right["errors"] == []


async def test_a_report_that_is_shared_above_already_stays_shared(service: Service) -> None:
    report = await saved(service, "r-1", who="pm")
    await service.write("INSERT INTO saved_report_roles (report_id, role_id) VALUES ($1, 2)", int(report.split("_")[1]))
    answer = await update(service, report, who="pm", sharedWith=[{"name": "IT"}, {"name": "Read only"}])
    assert answer["errors"] == []
