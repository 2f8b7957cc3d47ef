"""Grant limits of match keys: what whoever set a key could grant everywhere, stored once for all keys."""

from tortoise import fields

from models.base import DIGEST, KeyField, Row


class KeyGrantLimit(Row):
    """The heaviest role and the rights that could be granted. Null rights are every right, also a later one."""

    weight = fields.SmallIntField()
    rights: fields.Field[list[str] | None] = fields.JSONField(null=True)
    digest = KeyField(max_length=DIGEST, unique=True)

    class Meta:
        table = "key_grant_limits"
