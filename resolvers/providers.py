"""Identity providers as they are read."""

from resolvers.filters import Choice, Flag, Identity, Number, Text
from resolvers.sources import Column, Kind, Source, everything

SOURCE: Source = Source(
    type_name="IdentityProvider",
    table="identity_providers",
    prefix="provider",
    columns={
        "id": Column("{t}.id", Kind.ID, prefix="provider"),
        "name": Column("{t}.name"),
        "prefix": Column("{t}.prefix"),
        "kind": Column("{t}.kind"),
        "isEnabled": Column("{t}.is_enabled", Kind.FLAG),
        "serverNumber": Column("{t}.server_number", Kind.NUMBER, nullable=True),
        "ceilingWeight": Column("{t}.ceiling_weight", Kind.NUMBER, nullable=True),
        "ldapSettings": Column("CASE WHEN {t}.kind = 'LDAP' THEN {t}.settings END", Kind.JSON, nullable=True),
        "samlSettings": Column("CASE WHEN {t}.kind = 'SAML' THEN {t}.settings END", Kind.JSON, nullable=True),
        "createdAt": Column("{t}.created_at", Kind.INSTANT),
        "updatedAt": Column("{t}.updated_at", Kind.INSTANT),
    },
    visible=everything,
    is_small=True,
    unique=frozenset({"id", "name", "prefix", "serverNumber"}),
    filters={
        "id": Identity("provider"),
        "name": Text("{t}.name_key"),
        "prefix": Text("{t}.prefix"),
        "kind": Choice("{t}.kind", "ProviderKindFilter"),
        "isEnabled": Flag("{t}.is_enabled"),
        "serverNumber": Number("{t}.server_number"),
    },
)
