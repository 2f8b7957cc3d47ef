"""Changing a user: only what is sent, absent or null, each field under its own rule."""

import json
from typing import Any

import pytest

from tests.service import Service, codes

UPDATE = """mutation($input: UpdateUserInput!) { updateUser(input: $input) { changedFields
  user { id username email name firstName lastName externalId state version role { name } isLdap hasValidPassword
    canCreateProjectsInRoot ldapServerNumber loginDn tags aliases variables { name value }
    groups { nodes { id } } organizations { nodes { id } } updatedBy { id } }
  errors { code message path } } }"""
DN = "cn=member,ou=users,dc=x,dc=test"


async def update(service: Service, user: str = "user_9", who: str = "admin", **given: Any) -> Any:
    return (await service.data(UPDATE, {"input": {"id": user, **given}}, who=who))["updateUser"]


async def last_event(service: Service, user: int = 9) -> tuple[str, Any]:
    sql = (
        "SELECT action, changes FROM audit_events WHERE subject_type = 'user' AND subject_id = $1"
        " ORDER BY id DESC LIMIT 1"
    )
    ((action, changes),) = await service.rows(sql, user)
    return action, json.loads(changes)


async def made_ldap(service: Service, user: int = 9) -> None:
    sql = (
        "UPDATE users SET provider_id = 2, ldap_provider_id = 2, login_dn = $2, login_dn_key = $2, password_hash = NULL"
    )
    await service.write(f"{sql} WHERE id = $1", user, DN)


FIELDS: list[tuple[dict[str, Any], str, dict[str, Any], str, Any]] = [
    ({"username": "Odd"}, "username", {"username": "Odd"}, "username, username_key", ("Odd", "odd")),
    ({"email": "Odd@x.test"}, "email", {"email": "Odd@x.test"}, "email, email_key", ("Odd@x.test", "odd@x.test")),
    ({"email": "OUTSIDER@usergraph.test"}, "email", {}, "email_key", ("outsider@usergraph.test",)),
    ({"name": "Odd  One"}, "name", {}, "name_key", ("odd one",)),
    ({"firstName": "Odd"}, "firstName", {"firstName": "Odd"}, "first_name, name", ("Odd", "Outsider")),
    ({"lastName": "One"}, "lastName", {"lastName": "One"}, "last_name", ("One",)),
    ({"externalId": "hr-9"}, "externalId", {"externalId": "hr-9"}, "external_id", ("hr-9",)),
    ({"role": {"name": "participant"}}, "", {}, "role_id", (4,)),
    ({"role": {"id": "role_5"}}, "role", {"role": {"name": "Read only"}}, "role_id", (5,)),
    ({"canCreateProjectsInRoot": True}, "", {"canCreateProjectsInRoot": False}, "version", (1,)),
    ({"groupIds": ["group_1"]}, "groups", {"groups": {"nodes": [{"id": "group_1"}]}}, "version", (2,)),
    ({"organizationIds": ["organization_5"]}, "", {}, "version", (1,)),
    ({"tags": ["x|y"]}, "tags", {"tags": ["x", "y"]}, "version", (2,)),
    ({"aliases": ["O-1"]}, "aliases", {"aliases": ["O-1"]}, "version", (2,)),
    ({}, "", {}, "version", (1,)),
]


@pytest.mark.parametrize(("given", "changed", "shown", "columns", "stored"), FIELDS)
async def test_each_field_changes_by_itself(
    service: Service, given: Any, changed: str, shown: Any, columns: str, stored: Any
) -> None:
    before = (await update(service, dryRun=True))["user"]
    events = await service.scalar("SELECT COUNT(*) FROM audit_events")
    answer = await update(service, who="it", **given)
    assert answer["errors"] == []
    assert answer["changedFields"] == ([changed] if changed else [])
    touched = {"version": 2, "updatedBy": {"id": "user_2"}} if changed else {}
    sent = {name: value for name, value in given.items() if name in before and name == changed and name != "role"}
    plain = {name: value for name, value in sent.items() if name not in ("tags", "aliases")}
    assert answer["user"] == {**before, **plain, **shown, **touched}
    assert await service.rows(f"SELECT {columns} FROM users WHERE id = 9") == [stored]
    assert await service.scalar("SELECT COUNT(*) FROM audit_events") == events + bool(changed)


async def test_many_fields_change_in_one_event_with_before_and_after(service: Service) -> None:
    answer = await update(service, name="Odd", firstName="O", role={"name": "IT"}, canCreateProjectsInRoot=True)
    assert sorted(answer["changedFields"]) == ["canCreateProjectsInRoot", "firstName", "name", "role"]
    assert answer["user"]["version"] == 2
    action, changes = await last_event(service)
    assert action == "UPDATED"
    assert (changes["name"], changes["role"]) == (["Outsider", "Odd"], ["Normal user", "IT"])
    assert sorted(map(str, changes.values())) == sorted(
        map(str, (["Outsider", "Odd"], [None, "O"], ["Normal user", "IT"], [False, True]))
    )


async def test_null_clears_what_can_be_empty_and_absent_leaves_it(service: Service) -> None:
    await update(service, firstName="Odd", lastName="One", externalId="hr-9")
    assert (await update(service, name="Else"))["user"]["firstName"] == "Odd"
    answer = await update(service, firstName=None, externalId=None)
    assert set(answer["changedFields"]) == {"firstName", "externalId"}
    assert (answer["user"]["firstName"], answer["user"]["lastName"], answer["user"]["externalId"]) == (
        None,
        "One",
        None,
    )
    assert await service.rows("SELECT first_name, last_name, external_id FROM users WHERE id = 9") == [
        (None, "One", None)
    ]


@pytest.mark.parametrize("name", ["username", "email", "name", "role", "ldapServerNumber", "loginDn"])
async def test_null_is_refused_for_what_every_such_user_has(service: Service, name: str) -> None:
    await made_ldap(service)
    before = await service.snapshot()
    answer = await update(service, **{name: None})
    assert (answer["user"], answer["changedFields"]) == (None, [])
    assert [(e["code"], e["path"]) for e in answer["errors"]] == [("INVALID", [name])]
    assert await service.snapshot() == before


@pytest.mark.parametrize(
    ("given", "code", "path"),
    [
        ({"username": "two words"}, "INVALID", ["username"]),
        ({"username": "Member"}, "TAKEN", ["username"]),
        ({"email": "MEMBER@usergraph.test"}, "TAKEN", ["email"]),
        ({"email": "x"}, "INVALID", ["email"]),
        ({"externalId": "hr-8"}, "TAKEN", ["externalId"]),
        ({"aliases": ["m-8"]}, "TAKEN", ["aliases"]),
        ({"setAliases": ["m-8"]}, "TAKEN", ["aliases"]),
        ({"role": {"name": "nothing"}}, "NOT_FOUND", ["role", "name"]),
        ({"groupIds": ["group_9"]}, "NOT_FOUND", ["groupIds", "0"]),
        ({"ldapServerNumber": 1}, "NOT_LDAP", ["ldapServerNumber"]),
        ({"loginDn": DN}, "NOT_LDAP", ["loginDn"]),
        ({"ifVersion": 7, "name": "Odd"}, "WRONG_STATE", ["ifVersion"]),
        ({"setTags": ["be\u0007ll"]}, "INVALID", ["setTags", "0"]),
    ],
)
async def test_what_is_wrong_is_told_and_nothing_changes(
    service: Service, given: Any, code: str, path: list[str]
) -> None:
    await service.set_external_id(8, "hr-8")
    await service.write("INSERT INTO user_aliases (user_id, value, value_key) VALUES (8, 'M-8', 'm-8')")
    before = await service.snapshot()
    answer = await update(service, **given)
    assert (answer["user"], answer["changedFields"]) == (None, [])
    assert [(e["code"], e["path"]) for e in answer["errors"]] == [(code, path)]
    assert await service.snapshot() == before


async def test_a_user_that_is_not_there_is_not_found(service: Service) -> None:
    for typed in ("user_99", "role_1", "nonsense", "user_99999999999999999999"):
        answer = await update(service, user=typed, name="Odd")
        assert [(e["code"], e["path"]) for e in answer["errors"]] == [("NOT_FOUND", ["id"])]


async def test_the_password_has_no_place_in_an_update(service: Service) -> None:
    given = {"id": "user_9", "password": "plum violin harbour 41"}
    assert await service.codes(UPDATE, {"input": given}) == ["BAD_USER_INPUT"]


async def test_an_update_is_made_to_the_version_that_was_read(service: Service) -> None:
    assert (await update(service, ifVersion=1, name="One"))["user"]["version"] == 2
    stale = await update(service, ifVersion=1, name="Two")
    assert codes(stale["errors"]) == ["WRONG_STATE"]
    assert await service.rows("SELECT name, version FROM users WHERE id = 9") == [("One", 2)]


async def test_ldap_users_change_their_server_and_dn(service: Service) -> None:
    await made_ldap(service)
    moved = await update(service, loginDn="CN=Odd, DC=x")
    assert (moved["errors"], moved["changedFields"]) == ([], ["loginDn"])
    assert moved["user"]["loginDn"] == "CN=Odd, DC=x"
    assert await last_event(service) == ("UPDATED", {(await login_dn_name(service)): [DN, "CN=Odd, DC=x"]})
    off = await update(service, ldapServerNumber=2)
    assert [(e["code"], e["path"]) for e in off["errors"]] == [("PROVIDER_DISABLED", ["ldapServerNumber"])]
    for number, code in ((3, "PROVIDER_NOT_CONFIGURED"), (0, "INVALID"), (10, "INVALID")):
        assert codes((await update(service, ldapServerNumber=number))["errors"]) == [code]
    await service.write("UPDATE identity_providers SET is_enabled = TRUE WHERE id = 3")
    other = await update(service, ldapServerNumber=2)
    assert (other["changedFields"], other["user"]["ldapServerNumber"]) == (["ldapServerNumber"], 2)
    stored = "SELECT provider_id, ldap_provider_id, login_dn, login_dn_key FROM users WHERE id = 9"
    assert await service.rows(stored) == [(3, 3, "CN=Odd, DC=x", "cn=odd,dc=x")]


async def login_dn_name(service: Service) -> str:
    """Under what name the last event about the user tells the DN: there is only this one change in it."""
    _, changes = await last_event(service)
    (name,) = changes
    assert name.replace("_", "").lower() == "logindn"
    return str(name)


async def test_a_dn_in_use_on_the_same_server_is_taken(service: Service) -> None:
    await made_ldap(service, 8)
    sql = (
        "UPDATE users SET provider_id = 2, ldap_provider_id = 2, login_dn = 'cn=o', login_dn_key = 'cn=o' WHERE id = 9"
    )
    await service.write(sql)
    answer = await update(service, loginDn=DN.upper())
    assert codes(answer["errors"]) == ["TAKEN"]
    assert await service.scalar("SELECT login_dn FROM users WHERE id = 9") == "cn=o"


async def test_projects_in_root_come_and_go_with_the_role(service: Service) -> None:
    on = await update(service, user="user_3", canCreateProjectsInRoot=True)
    assert (on["changedFields"], on["user"]["canCreateProjectsInRoot"]) == (["canCreateProjectsInRoot"], True)
    lighter = await update(service, user="user_3", role={"name": "Normal user"})
    assert set(lighter["changedFields"]) == {"role", "canCreateProjectsInRoot"}
    assert lighter["user"]["canCreateProjectsInRoot"] is False
    back = await update(service, user="user_3", role={"name": "Project manager"})
    assert back["user"]["canCreateProjectsInRoot"] is False


async def test_tags_and_aliases_are_added_taken_away_and_replaced(service: Service) -> None:
    for name, one, many in (("tags", "Tags", "user_tags"), ("aliases", "Aliases", "user_aliases")):
        steps: list[tuple[dict[str, Any], list[str], bool]] = [
            ({name: ["a|b", "c"]}, ["a", "b", "c"], True),
            ({name: ["A", "b"]}, ["a", "b", "c"], False),
            ({f"remove{one}": ["B", "zzz"]}, ["a", "c"], True),
            ({f"remove{one}": ["zzz"]}, ["a", "c"], False),
            ({f"set{one}": ["c", "d"]}, ["c", "d"], True),
            ({f"set{one}": ["D", "c"]}, ["c", "d"], False),
            ({name: ["e"], f"remove{one}": ["c"]}, ["d", "e"], True),
            ({f"set{one}": []}, [], True),
        ]
        for given, left, changed in steps:
            answer = await update(service, **given)
            assert answer["errors"] == []
            assert answer["user"][name] == left, given
            assert answer["changedFields"] == ([name] if changed else []), given
        assert await service.scalar(f"SELECT COUNT(*) FROM {many}") == 0


async def test_variables_are_added_replaced_and_taken_away(service: Service) -> None:
    def pairs(**values: str) -> list[dict[str, str]]:
        return [{"name": name, "value": value} for name, value in values.items()]

    steps: list[tuple[dict[str, Any], list[dict[str, str]], bool]] = [
        ({"variables": pairs(Plan="1", Site="Oslo")}, pairs(Plan="1", Site="Oslo"), True),
        ({"variables": pairs(Plan="1")}, pairs(Plan="1", Site="Oslo"), False),
        ({"variables": pairs(Plan="2")}, pairs(Plan="2", Site="Oslo"), True),
        ({"removeVariables": ["SITE", "zzz"]}, pairs(Plan="2"), True),
        ({"setVariables": pairs(Plan="2", Team="x")}, pairs(Plan="2", Team="x"), True),
        ({"setVariables": pairs(Team="y")}, pairs(Team="y"), True),
        ({"setVariables": []}, [], True),
    ]
    for given, left, changed in steps:
        answer = await update(service, **given)
        assert (answer["errors"], answer["user"]["variables"]) == ([], left), given
        assert answer["changedFields"] == (["variables"] if changed else []), given
    assert await service.scalar("SELECT COUNT(*) FROM user_variables") == 0


async def test_the_audit_log_tells_what_was_there_before(service: Service) -> None:
    await update(service, tags=["a"], variables=[{"name": "Plan", "value": "1"}])
    await update(service, setTags=["b"], variables=[{"name": "Plan", "value": "2"}])
    _, changes = await last_event(service)
    assert "a" in str(changes["tags"][0])
    assert "b" in str(changes["tags"][1])
    assert "Plan=1" in str(changes["variables"][0])
    assert "Plan=2" in str(changes["variables"][1])


async def test_everybody_may_change_their_own_names_and_nothing_else(service: Service) -> None:
    document = """mutation($input: UpdateUserInput!) { updateUser(input: $input) {
      user { id name } changedFields errors { code path } } }"""

    async def own(**given: Any) -> Any:
        return (await service.data(document, {"input": {"id": "user_4", **given}}, who="normal"))["updateUser"]

    assert (await own(name="Norma"))["user"] == {"id": "user_4", "name": "Norma"}
    for given in ({"role": {"name": "Admin"}}, {"email": "n@x.test"}, {"username": "n"}, {"groupIds": ["group_1"]}):
        refused = await own(**given)
        assert [(e["code"], e["path"]) for e in refused["errors"]] == [("FORBIDDEN", [next(iter(given))])]
    assert await service.rows("SELECT name, email, role_id, version FROM users WHERE id = 4") == [
        ("Norma", "normal@usergraph.test", 4, 2)
    ]
