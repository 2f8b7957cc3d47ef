"""What a change refers to, read in one statement a kind: roles, providers, groups, organizations, and who is there."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from models.database import Connection
from models.errors import (
    Invalid,
    NotFound,
    ProviderDisabled,
    ProviderNotConfigured,
    Refusal,
)
from models.values import from_json, key, login_dn
from resolvers.changes import number
from resolvers.filters import number_of
from resolvers.policy import DEACTIVATED, Right
from resolvers.saml import checked_name_id
from resolvers.viewers import rights_of


@dataclass(frozen=True)
class RoleRow:
    id: int
    name: str
    weight: int
    rights: frozenset[Right]
    is_built_in: bool
    requires_second_factor: bool = False


@dataclass(frozen=True)
class Roles:
    by_id: Mapping[int, RoleRow]
    by_name: Mapping[str, RoleRow]

    def find(self, given: Mapping[str, Any], *path: str | int) -> RoleRow:
        """The role named by `{id}` or `{name}` (any case, synonyms too). Raises NotFound, listing the names."""
        if given.get("id") is not None:
            role = self.by_id.get(number("role", "role", given["id"], *path, "id"))
            if role is None:
                raise NotFound(*path, "id", what="role", key=given["id"])
            return role
        role = self.by_name.get(key(given["name"]))
        if role is None:
            names = ", ".join(each.name for each in self.by_id.values())
            raise NotFound(*path, "name", what="role", key=f"{given['name'][:100]!r}; there are: {names}")
        return role


def is_deactivated(given: Mapping[str, Any] | None) -> bool:
    """Whether a role input is S2's "Deactivated", which is a state."""
    return given is not None and given.get("name") is not None and key(given["name"]) == DEACTIVATED


async def roles(connection: Connection) -> Roles:
    columns = "id, name, weight, rights, is_built_in, requires_second_factor"
    rows = await connection.rows(f"SELECT {columns} FROM roles ORDER BY weight DESC, id")
    by_id = {row[0]: RoleRow(row[0], row[1], row[2], rights_of(row[3]), *map(bool, row[4:])) for row in rows}
    names = await connection.rows("SELECT name_key, role_id FROM role_names")
    return Roles(by_id, {row[0]: by_id[row[1]] for row in names})


@dataclass(frozen=True)
class ProviderRow:
    id: int
    name: str
    kind: str
    is_enabled: bool
    server_number: int | None
    ceiling_weight: int | None = None
    mapped_roles: frozenset[int] = frozenset()  # that the groups of a directory give


@dataclass(frozen=True)
class Identity:
    """How a user signs in and who provisions them; columns of `users`."""

    provider_id: int | None
    ldap_provider_id: int | None = None
    login_dn: str | None = None
    login_dn_key: str | None = None
    name_id: str | None = None
    entry_id: str | None = None

    @property
    def columns(self) -> dict[str, Any]:
        return {
            "provider_id": self.provider_id,
            "ldap_provider_id": self.ldap_provider_id,
            "login_dn": self.login_dn,
            "login_dn_key": self.login_dn_key,
            "name_id": self.name_id,
            "entry_id": self.entry_id,
        }


@dataclass(frozen=True)
class Providers:
    by_id: Mapping[int, ProviderRow]

    def find(self, typed: str, *path: str | int) -> ProviderRow:
        """An enabled provider by its typed id."""
        provider = self.by_id.get(number("identity provider", "provider", typed, *path))
        if provider is None:
            raise NotFound(*path, what="identity provider", key=typed[:100])
        return self._enabled(provider, *path)

    def ldap(self, server_number: int, *path: str | int) -> ProviderRow:
        if not 1 <= server_number <= 9:
            raise Invalid(*path, reason="An LDAP server number is 1 to 9.", minimum=1, limit=9)
        for provider in self.by_id.values():
            if provider.server_number == server_number:
                return self._enabled(provider, *path)
        raise ProviderNotConfigured(*path, kind=f"LDAP server {server_number}")

    def of_kind(self, kind: str, *path: str | int) -> ProviderRow:
        """The first enabled provider of a kind; the refusal says whether there is none, or none switched on."""
        found = [provider for provider in self.by_id.values() if provider.kind == kind]
        if not found:
            raise ProviderNotConfigured(*path, kind=f"{kind} provider")
        return next((each for each in found if each.is_enabled), None) or self._enabled(found[0], *path)

    def _enabled(self, provider: ProviderRow, *path: str | int) -> ProviderRow:
        if not provider.is_enabled:
            raise ProviderDisabled(*path, kind=provider.kind, name=provider.name)
        return provider

    def identity(self, given: Mapping[str, Any], *path: str | int) -> Identity:
        """What `{local}`, `{ldap}`, `{saml}` or `{apiOnly}` comes to."""
        if given.get("ldap") is not None:
            return self._ldap_identity(given["ldap"], *path, "ldap")
        if given.get("saml") is not None:
            return self._saml_identity(given["saml"], *path, "saml")
        if "api_only" in given:
            if not given["api_only"]:
                raise Invalid(*path, "apiOnly", reason="apiOnly is true, or another way to sign in is given.")
            return Identity(None)
        return Identity(self.of_kind("LOCAL", *path, "local").id)

    def _ldap_identity(self, given: Mapping[str, Any], *path: str | int) -> Identity:
        provider = self.ldap(given["server_number"], *path, "serverNumber")
        kept, normal = login_dn(given["login_dn"], *path, "loginDn")
        # The id of the entry is never a client's to say, only a directory's.
        return Identity(provider.id, provider.id, kept, normal, entry_id=given.get("entry_id"))

    def _saml_identity(self, given: Mapping[str, Any], *path: str | int) -> Identity:
        typed = given.get("identity_provider_id")
        provider = self.find(typed, *path, "identityProviderId") if typed else self.of_kind("SAML", *path)
        if provider.kind != "SAML":
            raise Invalid(*path, "identityProviderId", reason=f"{provider.name} is not a SAML provider.")
        name_id = given.get("name_id")
        kept = None if name_id is None else checked_name_id(name_id, *path, "nameId")
        if given.get("provisioned_by") is None:
            return Identity(provider.id, name_id=kept)
        ldap = self._ldap_identity(given["provisioned_by"], *path, "provisionedBy")
        return replace(ldap, provider_id=provider.id, name_id=kept)


async def providers(connection: Connection) -> Providers:
    settings = "CASE WHEN kind = 'LDAP' THEN settings END"
    columns = f"id, name, kind, is_enabled, server_number, ceiling_weight, {settings}"
    rows = await connection.rows(f"SELECT {columns} FROM identity_providers ORDER BY id")
    found = {
        row[0]: ProviderRow(row[0], row[1], row[2], bool(row[3]), row[4], row[5], _mapped_roles(row[6])) for row in rows
    }
    return Providers(found)


def _mapped_roles(settings: Any) -> frozenset[int]:
    mappings = (from_json(settings) or {}).get("groupMappings") or ()
    return frozenset(each["roleId"] for each in mappings if each["roleId"] is not None)


def number_or_none(typed: str) -> int | None:
    """The number in an id of whatever type, to look for many at once; its type is checked where it is used."""
    prefix, _, _ = typed.rpartition("_")
    return number_of(prefix, typed)


async def names_of(connection: Connection, table: str, ids: Iterable[int]) -> dict[int, str]:
    """Id to name, for those that exist. `table` comes from this program, never from outside."""
    rows = await connection.rows(
        f"SELECT id, name FROM {table} WHERE {connection.dialect.among('id', '$1', 'bigint')}",
        sorted(set(ids)),
    )
    return {row[0]: row[1] for row in rows}


def resolve_ids(
    typed: Sequence[str],
    what: str,
    prefix: str,
    known: Mapping[int, str],
    refused: list[Refusal],
    *path: str | int,
) -> list[int]:
    """The numbers of typed ids that exist, each once; a refusal for each that does not."""
    found: dict[int, None] = {}
    for place, each in enumerate(typed):
        try:
            numbered = number(what, prefix, each, *path, place)
            if numbered not in known:
                raise NotFound(*path, place, what=what, key=each[:100])
            found[numbered] = None
        except Refusal as refusal:
            refused.append(refusal)
    return list(found)
