"""What cannot be reported is refused by name, before anything is read."""

from typing import Any

import pytest

from tests.reporting import REPORT, rows
from tests.service import Service, beyond_who_asks

# By name: what is asked, where it is wrong, and what is said.
WRONG: dict[str, tuple[dict[str, Any], list[str | int], str]] = {
    "too many dimensions": (
        {"groupBy": [{"field": "VARIABLE", "name": str(n), "as": f"v{n}"} for n in range(9)]},
        ["groupBy"],
        "groupBy takes at most 8 at a time.",
    ),
    "too many measures": (
        {"measures": [{"measure": "COUNT", "as": f"m{n}"} for n in range(21)]},
        ["measures"],
        "measures takes at most 20 at a time.",
    ),
    "too many conditions": (
        {"having": [{"column": "count", "gt": n} for n in range(21)]},
        ["having"],
        "having takes at most 20 at a time.",
    ),
    "too many conditions of all measures": (
        {
            "where": {"or": [{"name": {"contains": str(n)}} for n in range(40)]},
            "measures": [
                {"measure": "COUNT", "as": f"m{m}", "where": {"or": [{"name": {"eq": str(n)}} for n in range(40)]}}
                for m in range(2)
            ],
        },
        ["measures", 1, "where"],
        "A where takes at most 100 conditions.",
    ),
    "nothing at all": ({"measures": []}, ["measures"], "A report without dimensions needs at least one measure."),
    "every of a state": (
        {"groupBy": [{"field": "ROLE"}, {"field": "STATE", "every": "DAY"}]},
        ["groupBy", 1, "every"],
        "every is for dates, and STATE is none.",
    ),
    "every of an age": (
        {"groupBy": [{"field": "LAST_USE_AGE", "every": "DAY"}]},
        ["groupBy", 0, "every"],
        "every is for dates, and LAST_USE_AGE is none.",
    ),
    "fill of a group": (
        {"groupBy": [{"field": "GROUP", "fill": True}]},
        ["groupBy", 0, "fill"],
        "fill is for dates, and GROUP is none.",
    ),
    "level of a group": (
        {"groupBy": [{"field": "GROUP", "level": 0}]},
        ["groupBy", 0, "level"],
        "level is for ORGANIZATION, and GROUP is none.",
    ),
    "a level below the root": (
        {"groupBy": [{"field": "ORGANIZATION", "level": -1}]},
        ["groupBy", 0, "level"],
        "level takes a number from 0 (the root) to 100.",
    ),
    "name of a tag": (
        {"groupBy": [{"field": "TAG", "name": "x"}]},
        ["groupBy", 0, "name"],
        "name is for VARIABLE, and TAG is none.",
    ),
    "a variable without a name": (
        {"groupBy": [{"field": "VARIABLE"}]},
        ["groupBy", 0, "name"],
        "VARIABLE needs name: the name of the variable whose values are counted.",
    ),
    "a variable with an empty name": (
        {"groupBy": [{"field": "VARIABLE", "name": " "}]},
        ["groupBy", 0, "name"],
        "VARIABLE needs name: the name of the variable whose values are counted.",
    ),
    "one dimension twice": (
        {"groupBy": [{"field": "ROLE"}, {"field": "ROLE", "as": "again"}]},
        ["groupBy", 1],
        "groupBy holds ROLE twice in the same way. Send it once.",
    ),
    "one month twice": (
        {"groupBy": [{"field": "CREATED_AT"}, {"field": "CREATED_AT", "every": "MONTH", "as": "again"}]},
        ["groupBy", 1],
        "groupBy holds CREATED_AT twice in the same way. Send it once.",
    ),
    "two columns of one name": (
        {"groupBy": [{"field": "CREATED_AT"}, {"field": "CREATED_AT", "every": "YEAR"}]},
        ["groupBy", 1, "as"],
        "The column createdAt stands twice. Give one of them another name with as.",
    ),
    "two counts": (
        {"measures": [{"measure": "COUNT"}, {"measure": "COUNT", "where": {"isActive": {"eq": True}}}]},
        ["measures", 1, "as"],
        "The column count stands twice. Give one of them another name with as.",
    ),
    "a measure with the name of an id": (
        {"groupBy": [{"field": "ROLE"}], "measures": [{"measure": "COUNT", "as": "roleId"}]},
        ["measures", 0, "as"],
        "The column roleId stands twice. Give one of them another name with as.",
    ),
    "a name with a space": (
        {"groupBy": [{"field": "ROLE", "as": "the role"}]},
        ["groupBy", 0, "as"],
        "as takes a name of at most 64 letters, digits and _ that begins with a letter or one _, as in GraphQL.",
    ),
    "a name of the language": (
        {"measures": [{"measure": "COUNT", "as": "__proto__"}]},
        ["measures", 0, "as"],
        "as takes a name of at most 64 letters, digits and _ that begins with a letter or one _, as in GraphQL.",
    ),
    "a name with SQL": (
        {"measures": [{"measure": "COUNT", "as": "n; DROP TABLE users"}]},
        ["measures", 0, "as"],
        "as takes a name of at most 64 letters, digits and _ that begins with a letter or one _, as in GraphQL.",
    ),
    "a count of something": (
        {"measures": [{"measure": "COUNT", "of": "ROLE"}]},
        ["measures", 0, "of"],
        "of is for DISTINCT, FIRST and LAST, and COUNT is of users.",
    ),
    "different what": (
        {"measures": [{"measure": "DISTINCT"}]},
        ["measures", 0, "of"],
        "DISTINCT needs of: what to count the different values of.",
    ),
    "the first of what": (
        {"measures": [{"measure": "FIRST"}]},
        ["measures", 0, "of"],
        "FIRST needs of: a date, such as CREATED_AT.",
    ),
    "the last role": (
        {"measures": [{"measure": "LAST", "of": "ROLE"}]},
        ["measures", 0, "of"],
        "LAST takes the moment of a date, and ROLE is none.",
    ),
    "different variables": (
        {"measures": [{"measure": "DISTINCT", "of": "VARIABLE"}]},
        ["measures", 0, "of"],
        "DISTINCT cannot say which VARIABLE. Group by it instead.",
    ),
    "an unknown column in having": (
        {"having": [{"column": "users", "gt": 1}]},
        ["having", 0, "column"],
        "The report has no count or share users. There are count.",
    ),
    "a dimension in having": (
        {"groupBy": [{"field": "ROLE"}], "having": [{"column": "role", "gt": 1}]},
        ["having", 0, "column"],
        "The report has no count or share role. There are count.",
    ),
    "a moment in having": (
        {"measures": [{"measure": "LAST", "of": "CREATED_AT"}], "having": [{"column": "lastCreatedAt", "gt": 1}]},
        ["having", 0, "column"],
        "The report has no count or share lastCreatedAt. There is none.",
    ),
    "a condition of nothing": (
        {"having": [{"column": "count"}]},
        ["having", 0],
        "A condition takes one of eq, ne, gt, gte, lt, lte.",
    ),
    "a condition on null": ({"having": [{"column": "count", "gt": None}]}, ["having", 0, "gt"], "gt takes a number."),
    "an unknown column in orderBy": (
        {"groupBy": [{"field": "ROLE"}], "orderBy": [{"column": "role"}, {"column": "weight"}]},
        ["orderBy", 1, "column"],
        "The report has no column weight. There are role, roleId, count.",
    ),
    "SQL in orderBy": (
        {"orderBy": [{"column": "1; --"}]},
        ["orderBy", 0, "column"],
        "The report has no column of this name. There are count.",
    ),
    "too many rows": ({"first": 10_001}, ["first"], "first takes a number from 0 to 10000."),
    "less than no rows": ({"first": -1}, ["first"], "first takes a number from 0 to 10000."),
    "too long a search": ({"search": "x" * 201}, ["search"], "search takes at most 200 characters."),
    "too large a where": (
        {"where": {"or": [{"name": {"eq": str(n)}} for n in range(101)]}},
        ["where"],
        "A where takes at most 100 conditions.",
    ),
    "too large a where of a measure": (
        {"measures": [{"measure": "COUNT"}, {"measure": "COUNT", "as": "n", "where": {
            "or": [{"name": {"eq": str(n)}} for n in range(101)]}}]},
        ["measures", 1, "where"],
        "A where takes at most 100 conditions.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
async def test_a_wrong_report_is_refused_by_the_argument_that_is_wrong(service: Service, name: str) -> None:
    asked, path, message = WRONG[name]
    with service.statements() as statements:
        body = await service.ask(REPORT, asked)
    error = {"message": message, "path": ["userReport"], "extensions": {"code": "INVALID", "argument": path}}
    limits = body["errors"][0]["extensions"].pop("values", {})
    assert (body.get("data"), body["errors"]) == (None, [error])
    assert all(f"{number}" in message for name, number in limits.items() if name == "limit")
    assert beyond_who_asks(statements) == []


async def test_a_condition_without_a_value_is_refused_as_in_users(service: Service) -> None:
    for where in ({"name": {"eq": None}}, {"tags": {"some": None}}):
        for asked in ({"where": where}, {"measures": [{"measure": "COUNT", "where": where}]}):
            assert await service.codes(REPORT, asked) == ["INVALID"], asked


HIDDEN: list[tuple[dict[str, Any], list[str]]] = [
    ({"groupBy": [{"field": "ROLE"}, {"field": "LAST_USE_AGE"}]},
     ["User.role", "User.lastLoginAt", "User.lastApiRequestAt"]),
    ({"groupBy": [{"field": "ORGANIZATION", "level": 1}, {"field": "GROUP"}, {"field": "EMAIL_DOMAIN"}]},
     ["User.organizations", "User.groups", "User.email"]),
    ({"groupBy": [{"field": "VARIABLE", "name": "x"}, {"field": "TAG"}, {"field": "IDENTITY_PROVIDER"}]},
     ["User.variables", "User.tags", "User.identityProvider"]),
    ({"measures": [{"measure": "DISTINCT", "of": "TAG"}, {"measure": "LAST", "of": "UPDATED_AT"}]},
     ["User.tags", "User.updatedAt"]),
    ({"where": {"isActive": {"eq": True}}, "measures": [{"measure": "SHARE", "where": {"is2faEnabled": {"eq": True}}}]},
     ["User.isActive", "User.is2faEnabled"]),
    ({"groupBy": [{"field": "STATE"}], "search": "x", "where": {"not": {"role": {"name": {"eq": "IT"}}}}},
     ["User.state", "User.role"]),
]  # fmt: skip


async def test_what_may_not_be_read_may_not_be_reported_and_every_such_field_is_named(service: Service) -> None:
    for asked, fields in HIDDEN:
        with service.statements() as statements:
            (error,) = (await service.ask(REPORT, asked, who="normal"))["errors"]
        assert error["extensions"] == {"code": "FORBIDDEN", "fields": fields}, asked
        assert error["message"] == f"You may not read {', '.join(fields)}."
        assert beyond_who_asks(statements) == []


async def test_who_may_read_names_and_no_more_may_count_them(service: Service) -> None:
    assert await rows(service, "normal") == [{"count": 9}]
    assert await rows(service, "normal", where={"name": {"startsWith": "o"}}) == [{"count": 2}]
    (error,) = (await service.ask(REPORT, {}, who="readonly"))["errors"]
    assert error["extensions"] == {"code": "FORBIDDEN", "fields": ["User.id"]}
    (error,) = (await service.ask("{ userReport { __typename } }", who="readonly"))["errors"]
    assert error["extensions"] == {"code": "FORBIDDEN", "fields": ["User.id"]}


@pytest.mark.parametrize(
    ("field", "groups"),
    [("{field: ROLE}", ["Role.id", "Role.name"]), ("{field: GROUP}", ["Group.id", "Group.name"])],
)
async def test_who_reads_users_but_no_directory_has_no_names_of_what_they_hang_on(
    service: Service, field: str, groups: list[str]
) -> None:
    rights = '["LIST_USERS", "READ_USERS", "USE_SELF_SERVICE"]'
    await service.write(f"UPDATE roles SET rights = '{rights}' WHERE id = 2")
    (error,) = (await service.ask(f"{{ userReport(groupBy: [{field}]) {{ rows }} }}", who="it"))["errors"]
    assert error["extensions"] == {"code": "FORBIDDEN", "fields": groups}
    assert await rows(service, "it", groupBy=[{"field": "STATE"}]) == [{"state": "ACTIVE", "count": 9}]


async def test_what_every_dimension_reads_is_asked_for(service: Service) -> None:
    """A normal user may group by nothing, whatever the schema offers."""
    offered = await service.data('{ __type(name: "UserDimensionField") { enumValues { name } } }')
    for each in offered["__type"]["enumValues"]:
        dimension = {"field": each["name"]} | ({"name": "x"} if each["name"] == "VARIABLE" else {})
        (error,) = (await service.ask(REPORT, {"groupBy": [dimension]}, who="normal"))["errors"]
        assert error["extensions"]["code"] == "FORBIDDEN", each
        if each["name"] == "VARIABLE":
            continue
        measure = {"measure": "DISTINCT", "of": each["name"]}
        (error,) = (await service.ask(REPORT, {"measures": [measure]}, who="normal"))["errors"]
        assert error["extensions"]["code"] == "FORBIDDEN", each
