"""Making, moving and deleting organizations, and their members, in the schema."""

from typing import Any

import strawberry

from graph.fields import mutation, record, to_one
from graph.organizations import Organization
from graph.payloads import (
    NO_RESULTS,
    BulkChanging,
    BulkPayload,
    Changing,
    DeletedPayload,
    DeleteInput,
    Payload,
    RoleRef,
    UserResult,
    given,
    needed,
    own_input,
    own_payload,
)
from resolvers import change_organizations
from resolvers import organizations as organizations_read


@strawberry.input(description="A new organization.")
class CreateOrganizationInput(Changing):
    name: str = needed("Its name, unique beside its siblings.")
    parent_id: strawberry.ID | None = given("The organization above; the root if not said.")


@strawberry.input(description="What to change of an organization.")
class UpdateOrganizationInput(Changing):
    id: strawberry.ID = needed("Typed id.")
    name: str | None = given("Its name.")
    parent_id: strawberry.ID | None = given("Move it, with all that is below it, here.")


@strawberry.input(description="Who joins an organization.")
class AddOrganizationMembersInput(BulkChanging):
    id: strawberry.ID = needed("Typed id of the organization.")
    user_ids: list[strawberry.ID] = needed("Typed ids of users.")
    role: RoleRef | None = given("A role that holds there and below.")


@strawberry.input(description="Who leaves an organization.")
class RemoveOrganizationMembersInput(BulkChanging):
    id: strawberry.ID = needed("Typed id of the organization.")
    user_ids: list[strawberry.ID] = needed("Typed ids of users.")


@strawberry.type(description="The organization, or why not.")
class OrganizationPayload(Payload):
    organization: Organization | None = to_one(
        lambda: organizations_read.SOURCE, "organization", "The organization as it is now."
    )


@strawberry.type(description="A result for every user, in the order of the input.")
class OrganizationMembersPayload(BulkPayload):
    organization: Organization | None = to_one(
        lambda: organizations_read.SOURCE, "organization", "The organization as it is now."
    )
    results: list[UserResult] = record("One for each user.", many=True)


CreateOrganizationPayload: Any = own_payload(OrganizationPayload, "CreateOrganizationPayload")
UpdateOrganizationPayload: Any = own_payload(OrganizationPayload, "UpdateOrganizationPayload")
DeleteOrganizationInput: Any = own_input(DeleteInput, "DeleteOrganizationInput")
DeleteOrganizationPayload: Any = own_payload(DeletedPayload, "DeleteOrganizationPayload")
AddOrganizationMembersPayload: Any = own_payload(OrganizationMembersPayload, "AddOrganizationMembersPayload")
RemoveOrganizationMembersPayload: Any = own_payload(OrganizationMembersPayload, "RemoveOrganizationMembersPayload")


@strawberry.type
class OrganizationMutations:
    create_organization: CreateOrganizationPayload = mutation(
        change_organizations.create_organization,
        CreateOrganizationInput,
        "Make an organization. Needs MANAGE_ORGANIZATIONS there.",
        empty={"organization": None},
    )
    update_organization: UpdateOrganizationPayload = mutation(
        change_organizations.update_organization,
        UpdateOrganizationInput,
        "Rename or move an organization. Needs MANAGE_ORGANIZATIONS there.",
        empty={"organization": None},
    )
    delete_organization: DeleteOrganizationPayload = mutation(
        change_organizations.delete_organization,
        DeleteOrganizationInput,
        "Delete an organization with none below it. Needs MANAGE_ORGANIZATIONS there.",
        empty={"deletedId": None},
    )
    add_organization_members: AddOrganizationMembersPayload = mutation(
        change_organizations.add_organization_members,
        AddOrganizationMembersInput,
        "Make users members, with a role that holds there, or set that role. Needs MANAGE_ORGANIZATIONS there.",
        empty={**NO_RESULTS, "organization": None},
    )
    remove_organization_members: RemoveOrganizationMembersPayload = mutation(
        change_organizations.remove_organization_members,
        RemoveOrganizationMembersInput,
        "Take users out of an organization. Needs MANAGE_ORGANIZATIONS there.",
        empty={**NO_RESULTS, "organization": None},
    )
