"""Making, changing and deleting roles in the schema."""

from typing import Any

import strawberry

from graph.fields import mutation, to_one
from graph.payloads import Changing, DeletedPayload, DeleteInput, Payload, given, needed, own_input, own_payload
from graph.roles import RightEnum, Role
from resolvers import change_roles
from resolvers import roles as roles_read


@strawberry.input(description="A new role.")
class CreateRoleInput(Changing):
    name: str = needed("Its name.")
    weight: int = needed("1 to 100, at most your own.")
    permissions: list[RightEnum] = needed("The rights it gives, none that you lack.")
    synonyms: list[str] | None = given("Other names by which it can be given.")
    requires_second_factor: bool | None = given("Whether who signs in with it needs a second factor.")


@strawberry.input(description="What to change of a role.")
class UpdateRoleInput(Changing):
    id: strawberry.ID = needed("Typed id.")
    name: str | None = given("Its name.")
    weight: int | None = given("1 to 100, at most your own.")
    permissions: list[RightEnum] | None = given("Exactly these rights.")
    synonyms: list[str] | None = given("Exactly these synonyms.")
    requires_second_factor: bool | None = given("Whether who signs in with it needs a second factor.")


@strawberry.type(description="The role, or why not.")
class RolePayload(Payload):
    role: Role | None = to_one(lambda: roles_read.SOURCE, "role", "The role as it is now.")


CreateRolePayload: Any = own_payload(RolePayload, "CreateRolePayload")
UpdateRolePayload: Any = own_payload(RolePayload, "UpdateRolePayload")
DeleteRoleInput: Any = own_input(DeleteInput, "DeleteRoleInput")
DeleteRolePayload: Any = own_payload(DeletedPayload, "DeleteRolePayload")


@strawberry.type
class RoleMutations:
    create_role: CreateRolePayload = mutation(
        change_roles.create_role, CreateRoleInput, "Make a role. Needs MANAGE_ROLES.", empty={"role": None}
    )
    update_role: UpdateRolePayload = mutation(
        change_roles.update_role,
        UpdateRoleInput,
        "Change a role; built-in ones take only synonyms and requiresSecondFactor. Needs MANAGE_ROLES.",
        empty={"role": None},
    )
    delete_role: DeleteRolePayload = mutation(
        change_roles.delete_role,
        DeleteRoleInput,
        "Delete a role of your own that nobody holds. Needs MANAGE_ROLES.",
        empty={"deletedId": None},
    )
