"""The columns and the base class that every table shares."""

from typing import Any

from tortoise import fields
from tortoise.models import Model

LABEL = 255
EMAIL = 320
LONG = 1024
DIGEST = 64
WORD = 32


class KeyField(fields.CharField[str]):
    """Text that is compared and sorted byte by byte on every database.

    PostgreSQL would sort by the locale of its cluster, and a cursor made on one host would then skip rows on another.
    """

    class _db_postgres:
        def __init__(self, field: "KeyField") -> None:
            self.field = field

        @property
        def SQL_TYPE(self) -> str:
            return f'VARCHAR({self.field.max_length}) COLLATE "C"'


class Row(Model):
    """A row with a 64-bit key, seen from outside as `<type>_<id>`."""

    id = fields.BigIntField(primary_key=True)

    class Meta:
        abstract = True


def parent(model: str, *, null: bool = False, on_delete: fields.OnDelete = fields.RESTRICT) -> Any:
    """A foreign key without a reverse accessor: the other way is always asked by a batched query."""
    options: dict[str, Any] = {"related_name": False, "null": null, "on_delete": on_delete}
    return fields.ForeignKeyField(f"usergraph.{model}", **options)
