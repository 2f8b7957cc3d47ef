"""Settings of LDAP providers in the schema."""

import strawberry

from graph.fields import plain, record, to_one
from graph.payloads import RoleRef, given, needed
from graph.roles import Role
from resolvers import roles as roles_read


@strawberry.input(description="Which attribute of an entry is what; null is the usual one.")
class LdapAttributesInput:
    username: str | None = given("The username; uid if not said, sAMAccountName in Active Directory.")
    email: str | None = given("The email address; mail if not said.")
    name: str | None = given("The name; cn if not said.")
    first_name: str | None = given("The first name; givenName if not said.")
    last_name: str | None = given("The last name; sn if not said.")
    external_id: str | None = given("What never changes; entryUUID if not said, objectGUID in Active Directory.")
    member_of: str | None = given("The groups' DNs; memberOf if not said.")
    changed_at: str | None = given(
        "When the entry last changed; modifyTimestamp if not said, whenChanged in Active Directory."
    )


@strawberry.input(description="What who is in a group of the directory gets here.")
class GroupMappingInput:
    group: str = needed("The directory's group: its DN, or the name its DN begins with.")
    role: RoleRef | None = given("The role; of several, the heaviest counts. Never above the provider's ceilingWeight.")
    group_ids: list[strawberry.ID] | None = given("Typed ids of groups.")
    organization_ids: list[strawberry.ID] | None = given("Typed ids of organizations.")


@strawberry.input(
    description="How an LDAP server is reached and read. What is absent stays; null is the default. "
    "Where addresses, encryption, authorities or bindDn change, bindPassword has to be sent again."
)
class LdapSettingsInput:
    urls: list[str] | None = given(
        "Up to three addresses, tried in this order: ldaps://host[:636], or ldap://host[:389] with StartTLS."
    )
    is_start_tls: bool | None = given("Whether ldap:// is upgraded with StartTLS; yes if not said.")
    is_plaintext_allowed: bool | None = given("Whether passwords may travel in the clear to other machines; no.")
    ca_certificates: str | None = given("Certificate authorities to trust, in PEM; the system's if not said.")
    base_dn: str | None = given("Below which people are found. Required.")
    bind_dn: str | None = given("The service account: a DN, user@realm or DOMAIN\\user; null to ask as nobody.")
    bind_password: str | None = given("Its password. Kept sealed, and never read back.")
    user_filter: str | None = given("Who is found by a name; (|(uid={username})(mail={username})) if not said.")
    group_base_dn: str | None = given("Below which groups are looked for; null goes by memberOf alone.")
    group_filter: str | None = given("Whose member somebody is; (|(member={dn})(uniqueMember={dn})) if not said.")
    attributes: LdapAttributesInput | None = given("Which attribute is what.")
    page_size: int | None = given("Entries a page when all are read, 10 to 5,000; 500 if not said.")
    connect_seconds: int | None = given("The longest that connecting to an address takes, 1 to 10; 2 if not said.")
    receive_seconds: int | None = given("The longest that answers take altogether, 1 to 30; 4 if not said.")
    group_mappings: list[GroupMappingInput] | None = given("What groups of the directory give; all of them anew.")


@strawberry.type(description="Which attribute of an entry is what.")
class LdapAttributes:
    username: str = plain("The username.")
    email: str = plain("The email address.")
    name: str = plain("The name.")
    first_name: str = plain("The first name.")
    last_name: str = plain("The last name.")
    external_id: str = plain("What never changes.")
    member_of: str = plain("The groups' DNs.")
    changed_at: str = plain("When the entry last changed.")


@strawberry.type(description="What who is in a group of the directory gets here.")
class GroupMapping:
    group: str = plain("The directory's group: its DN, or its name.")
    role: Role | None = to_one(lambda: roles_read.SOURCE, "roleId", "The role; null for none, or one that was deleted.")
    group_ids: list[strawberry.ID] = plain("Typed ids of groups.")
    organization_ids: list[strawberry.ID] = plain("Typed ids of organizations.")


@strawberry.type(description="How an LDAP server is reached and read; its password is never read back.")
class LdapSettings:
    urls: list[str] = plain("Its addresses, tried in this order.")
    is_start_tls: bool = plain("Whether ldap:// is upgraded with StartTLS.")
    is_plaintext_allowed: bool = plain("Whether passwords may travel in the clear to other machines.")
    ca_certificates: str | None = plain("Certificate authorities that are trusted, in PEM; null for the system's.")
    base_dn: str = plain("Below which people are found.")
    bind_dn: str | None = plain("The service account; null where nobody asks.")
    has_bind_password: bool = plain("Whether its password is kept.")
    user_filter: str = plain("Who is found by a name.")
    group_base_dn: str | None = plain("Below which groups are looked for; null goes by memberOf alone.")
    group_filter: str = plain("Whose member somebody is.")
    attributes: LdapAttributes = record("Which attribute is what.")
    page_size: int = plain("Entries a page when all are read.")
    connect_seconds: int = plain("The longest that connecting to an address takes.")
    receive_seconds: int = plain("The longest that answers take altogether.")
    group_mappings: list[GroupMapping] = record("What groups of the directory give.", many=True)
