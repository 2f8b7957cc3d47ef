"""The policy itself, as pure functions: rights, reach, weights and where they hold."""

import ast
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from graphql import GraphQLObjectType, build_schema

from graph.schema import build
from models.errors import Forbidden, OutsideOrganization, Refusal, RightsTooWide, RoleTooHeavy, UserTooHeavy
from resolvers import policy
from resolvers.policy import BUILT_IN_ROLES, FIELD_RIGHTS, FOR_STRANGERS, NOBODY, PLATFORM, Grant, Reach, Right, Viewer

SDL = build_schema(build().as_str())
ROLES = {role.name: role for role in BUILT_IN_ROLES}
PLATFORM_ONLY = {Right.DELETE_USERS, Right.ERASE_USERS, Right.MANAGE_ROLES, Right.MANAGE_PROVIDERS}
LISTING = {Right.USE_SELF_SERVICE, Right.READ_DIRECTORY, Right.LIST_USERS}


def holder(role: str, *grants: Grant, user_id: int = 7) -> Viewer:
    """A viewer who holds a built-in role, and what memberships give."""
    built_in = ROLES[role]
    return Viewer(user_id=user_id, weight=built_in.weight, rights=built_in.rights, grants=grants)


def grant(organization_id: int, role: str) -> Grant:
    return Grant(organization_id, ROLES[role].rights, ROLES[role].weight)


ORGADMIN = holder("Normal user", grant(2, "Admin"), user_id=6)


@pytest.mark.parametrize(
    ("name", "weight", "rights"),
    [
        ("Admin", 100, set(Right)),
        ("IT", 80, set(Right) - PLATFORM_ONLY),
        ("Project manager", 60, LISTING),
        ("Normal user", 40, LISTING),
        ("Read only", 20, {Right.USE_SELF_SERVICE}),
    ],
)
def test_a_built_in_role_has_its_weight_and_exactly_its_rights(name: str, weight: int, rights: set[Right]) -> None:
    assert (ROLES[name].weight, set(ROLES[name].rights)) == (weight, rights)


def test_there_are_five_built_in_roles_and_a_lighter_one_never_has_a_right_that_a_heavier_one_lacks() -> None:
    assert [role.name for role in BUILT_IN_ROLES] == ["Admin", "IT", "Project manager", "Normal user", "Read only"]
    for heavier, lighter in itertools.pairwise(BUILT_IN_ROLES):
        assert heavier.weight > lighter.weight
        assert heavier.rights >= lighter.rights


def test_a_stranger_can_do_nothing_and_is_told_by_having_no_user() -> None:
    assert NOBODY.is_stranger
    assert not any(NOBODY.can(right) for right in Right)
    assert not holder("Read only").is_stranger


@pytest.mark.parametrize("right", sorted(PLATFORM))
def test_a_membership_gives_no_right_over_what_belongs_to_the_platform(right: Right) -> None:
    assert not ORGADMIN.can(right)
    assert holder("Admin").can(right)


@pytest.mark.parametrize("right", sorted(set(Right) - PLATFORM))
def test_a_right_through_a_membership_holds_somewhere_but_not_everywhere(right: Right) -> None:
    ORGADMIN.require(right)
    assert ORGADMIN.organizations_with(right) == [2]
    if right in ROLES["Normal user"].rights:
        ORGADMIN.require_everywhere(right)
    else:
        with pytest.raises(Forbidden):
            ORGADMIN.require_everywhere(right)


def test_grants_in_several_organizations_are_told_apart_by_right() -> None:
    viewer = holder("Read only", grant(2, "Admin"), grant(5, "Normal user"))
    assert viewer.organizations_with(Right.DELETE_USERS) == [2]
    assert viewer.organizations_with(Right.LIST_USERS) == [2, 5]
    assert viewer.rights == {Right.USE_SELF_SERVICE}
    assert viewer.somewhere == frozenset(Right) - PLATFORM


def test_a_missing_right_is_refused_by_name_and_place() -> None:
    with pytest.raises(Forbidden) as refused:
        holder("Normal user").require(Right.DELETE_USERS, "ids", 3)
    assert refused.value.path == ("ids", 3)
    assert refused.value.message == "You may not delete users. Ask an administrator for a role with DELETE_USERS."


@pytest.mark.parametrize(
    ("viewer", "subjects", "allowed"),
    [
        (holder("Read only", user_id=7), [7], True),
        (holder("Read only", user_id=7), [7, 7], True),
        (holder("Read only", user_id=7), [7, 8], False),
        (holder("Read only", user_id=7), [8], False),
        (holder("Read only", user_id=7), [], False),
        (holder("IT", user_id=7), [8], True),
        (Viewer(user_id=7), [7], False),  # a key without self-service
        (NOBODY, [0], False),
    ],
)
def test_everybody_acts_on_themselves_and_only_holders_of_the_right_on_others(
    viewer: Viewer, subjects: list[int], allowed: bool
) -> None:
    if allowed:
        viewer.require_self_or(Right.SET_PASSWORDS, subjects)
        return
    with pytest.raises(Forbidden):
        viewer.require_self_or(Right.SET_PASSWORDS, subjects)


@pytest.mark.parametrize(
    ("viewer", "type_name", "field", "reach", "allowed"),
    [
        (holder("Admin"), "User", "email", Reach.FAR, True),
        (holder("Normal user"), "User", "name", Reach.FAR, True),
        (holder("Normal user"), "User", "email", Reach.FAR, False),
        (holder("Normal user"), "User", "email", Reach.NEAR, False),
        (holder("Normal user"), "User", "email", Reach.OWN, True),
        (holder("Read only"), "User", "id", Reach.FAR, False),
        (holder("Read only"), "User", "name", Reach.NEAR, True),
        (holder("Read only"), "User", "apiKeys", Reach.OWN, True),
        (holder("Read only"), "Role", "name", Reach.FAR, False),
        (holder("Read only"), "Role", "permissions", Reach.NEAR, True),
        (holder("Read only"), "Role", "users", Reach.NEAR, False),
        (holder("IT"), "AuditEvent", "changes", Reach.FAR, True),
        (holder("Project manager"), "AuditEvent", "changes", Reach.FAR, False),
        (holder("Project manager"), "Invitation", "state", Reach.FAR, False),
        (holder("Project manager"), "IdentityProvider", "users", Reach.FAR, False),
        (ORGADMIN, "User", "email", Reach.FAR, True),  # of which users, the SQL decides
        (NOBODY, "User", "id", Reach.FAR, False),
        (NOBODY, "PageInfo", "hasNextPage", Reach.FAR, True),
    ],
)
def test_what_may_be_read_depends_on_the_rights_and_on_how_near_it_is(
    viewer: Viewer, type_name: str, field: str, reach: Reach, allowed: bool
) -> None:
    assert policy.may_read(viewer, type_name, field, reach) is allowed


@pytest.mark.parametrize(
    ("reach", "type_name", "further"),
    [
        (Reach.OWN, "Role", Reach.NEAR),
        (Reach.OWN, "User", Reach.NEAR),  # who made oneself is a neighbour like any other
        (Reach.OWN, "OrganizationMember", Reach.OWN),
        (Reach.NEAR, "User", Reach.FAR),
        (Reach.NEAR, "OrganizationMember", Reach.FAR),
        (Reach.FAR, "User", Reach.FAR),
    ],
)
def test_one_step_from_oneself_are_neighbours_and_two_steps_are_others(
    reach: Reach, type_name: str, further: Reach
) -> None:
    assert reach.to(type_name) is further


def test_visible_fields_are_those_that_may_be_read_in_the_order_asked() -> None:
    asked = ["email", "name", "id"]
    assert policy.visible_fields(holder("IT"), "User", asked) == asked
    assert policy.visible_fields(holder("Normal user"), "User", asked) == ["name", "id"]
    assert policy.visible_fields(holder("Read only"), "User", asked) == []


def outcome(step: Callable[[], None]) -> type[Refusal] | None:
    try:
        step()
    except Refusal as refusal:
        return type(refusal)
    return None


@pytest.mark.parametrize(("weight", "refused"), [(79, None), (80, None), (81, UserTooHeavy), (100, UserTooHeavy)])
def test_nobody_changes_a_heavier_user(weight: int, refused: type[Refusal] | None) -> None:
    assert outcome(lambda: policy.require_weight(holder("IT"), weight, "id")) is refused


ANY = frozenset({Right.USE_SELF_SERVICE})


@pytest.mark.parametrize(
    ("viewer", "weight", "rights", "organizations", "refused"),
    [
        (holder("Admin"), 100, frozenset(Right), (), None),
        (holder("IT"), 80, ROLES["IT"].rights, (), None),
        (holder("IT"), 100, ANY, (), RoleTooHeavy),
        (holder("IT"), 10, frozenset({Right.DELETE_USERS}), (), RightsTooWide),
        (holder("IT"), 100, frozenset(Right), (), RoleTooHeavy),
        (ORGADMIN, 100, frozenset(Right), (), RoleTooHeavy),
        (ORGADMIN, 40, frozenset({Right.READ_USERS}), (), RightsTooWide),
        (ORGADMIN, 100, frozenset(Right), (1, 2, 3), None),
        (ORGADMIN, 100, frozenset(Right), (1, 5), RoleTooHeavy),
        (ORGADMIN, 40, frozenset({Right.READ_USERS}), (5,), RightsTooWide),
        (holder("Normal user", grant(2, "IT")), 100, ANY, (2,), RoleTooHeavy),
        (holder("Normal user", grant(2, "IT")), 80, frozenset({Right.DELETE_USERS}), (2,), RightsTooWide),
        (holder("Admin", grant(2, "Read only")), 100, frozenset(Right), (2,), None),
    ],
)
def test_nobody_grants_a_heavier_role_or_rights_they_lack_where_it_will_hold(
    viewer: Viewer,
    weight: int,
    rights: frozenset[Right],
    organizations: tuple[int, ...],
    refused: type[Refusal] | None,
) -> None:
    def step() -> None:
        policy.require_grantable(viewer, "Some role", weight, rights, "role", organization_ids=organizations)

    assert outcome(step) is refused


def test_the_refusal_of_wide_rights_names_each_of_them_once_in_order() -> None:
    with pytest.raises(RightsTooWide) as refused:
        policy.require_rights_held(ANY, [Right.READ_USERS, Right.CREATE_USERS, Right.READ_USERS], "permissions")
    assert refused.value.message == "You cannot give rights that you lack here: CREATE_USERS, READ_USERS."
    assert refused.value.path == ("permissions",)


@pytest.mark.parametrize(
    ("organizations", "allowed", "refused"),
    [
        ([], None, None),
        ([5], None, None),
        ([3], {2, 3, 4}, None),
        ([2, 4], {2, 3, 4}, None),
        ([3, 5], {2, 3, 4}, OutsideOrganization),
        ([5], {2, 3, 4}, OutsideOrganization),
        ([], {2, 3, 4}, OutsideOrganization),
        ([3], set(), OutsideOrganization),
    ],
)
def test_an_organizations_administrator_acts_on_what_lies_wholly_within(
    organizations: list[int], allowed: set[int] | None, refused: type[Refusal] | None
) -> None:
    assert outcome(lambda: policy.require_within(organizations, allowed, "A new user", "organizationIds")) is refused


def types_with_rows() -> dict[str, GraphQLObjectType]:
    """Types whose rows are listed by some connection, or that have an id of their own."""
    objects = {name: each for name, each in SDL.type_map.items() if isinstance(each, GraphQLObjectType)}
    edges = {name.removesuffix("Edge") for name in objects if name.endswith("Edge")}
    nodes = {name for name, each in objects.items() if any(i.name == "Node" for i in each.interfaces)}
    return {name: objects[name] for name in edges | nodes}


def test_every_type_that_has_rows_says_who_may_read_it() -> None:
    assert set(types_with_rows()) == set(FIELD_RIGHTS)
    assert all("*" in rights for rights in FIELD_RIGHTS.values())


def test_the_policy_names_only_fields_and_mutations_that_there_are() -> None:
    named = {(name, field) for name, rights in FIELD_RIGHTS.items() for field in rights if field != "*"}
    there: set[tuple[str, str]] = {(name, field) for name, each in types_with_rows().items() for field in each.fields}
    assert named <= there
    assert {field for _, field in there} >= policy.OWN_NEIGHBOURS
    assert SDL.mutation_type is not None
    assert SDL.query_type is not None
    assert {*SDL.mutation_type.fields, *SDL.query_type.fields} >= FOR_STRANGERS - {"__typename"}


def test_the_policy_is_one_pure_file() -> None:
    tree = ast.parse(Path(policy.__file__).read_text())
    imported: set[Any] = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    imported |= {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    assert imported == {"collections.abc", "dataclasses", "datetime", "enum", "models.errors"}
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.AsyncFunctionDef | ast.Await)]
