"""Reading the directory whole, now and as of a moment, and holding its history against its tables."""

import asyncio
from datetime import datetime
from typing import Any

from graphql import get_named_type, is_leaf_type

from graph import schema as built
from models import bulk, tables
from models.history import VERSIONS
from models.values import now, rfc3339
from resolvers import history
from tests.service import Service

SCHEMA = built.build()._schema
LIVE = {getattr(tables, name)._meta.db_table: getattr(tables, name) for name in tables.__all__}
# What each live column is as a version has it, where it is not the same.
OTHERWISE = {"has_password": "(password_hash IS NOT NULL)"}


def fields(type_name: str, depth: int) -> str:
    """Every field of a type that has a history, and of what hangs on it as deep as that."""
    found = []
    for name, field in SCHEMA.type_map[type_name].fields.items():  # type: ignore[attr-defined]
        type_ = get_named_type(field.type)
        if history.is_absent(type_name, name):
            continue
        if is_leaf_type(type_):
            found.append(name)
        elif depth and type_.name.endswith("Connection"):
            node = get_named_type(type_.fields["nodes"].type).name
            found.append(f"{name}(first: 20) {{ totalCount nodes {{ {fields(node, depth - 1)} }} }}")
        elif depth:
            found.append(f"{name} {{ {fields(type_.name, depth - 1)} }}")
    return " ".join(found)


WHOLE = (
    f"query($at: DateTime, $n: Int) {{ users(first: $n, asOf: $at) {{ totalCount nodes {{ {fields('User', 2)} }} }} }}"
)


async def whole(service: Service, at: str | None = None, first: int = 20) -> Any:
    found = (await service.data(WHOLE, {"at": at, "n": first}))["users"]
    return found if at is None else with_stable_ids(found, f"@{rfc3339(datetime.fromisoformat(at))}")


def with_stable_ids(value: Any, suffix: str) -> Any:
    """Rows of the past as those of now are: each id must name the time, and is replaced by the stable one."""
    if isinstance(value, list):
        return [with_stable_ids(each, suffix) for each in value]
    if not isinstance(value, dict):
        return value
    made = {name: with_stable_ids(each, suffix) for name, each in value.items()}
    if "id" in made:
        assert made["id"] == made["stableId"] + suffix
        made["id"] = made["stableId"]
    return made


async def moment() -> str:
    """Now, apart from what was and what will be: SQLite's clock counts milliseconds."""
    await asyncio.sleep(0.003)
    text = rfc3339(now())
    await asyncio.sleep(0.003)
    return text


async def agrees(service: Service) -> None:
    """The versions that are still so are what the tables hold, and none of a row's overlap."""
    for table, model in VERSIONS.items():
        named = history.kept(model)
        live = ", ".join(OTHERWISE.get(name, name) for name in named)
        kept = ", ".join(named)
        is_ = await service.rows(f"SELECT id, {live} FROM {table} ORDER BY id")
        was = await service.rows(f"SELECT row_id, {kept} FROM {table}_history WHERE valid_to IS NULL ORDER BY row_id")
        assert was == is_, table
        overlaps = (
            f"SELECT a.row_id FROM {table}_history a JOIN {table}_history b ON a.row_id = b.row_id AND a.id < b.id"
            " WHERE (b.valid_to IS NULL OR a.valid_from < b.valid_to)"
            " AND (a.valid_to IS NULL OR b.valid_from < a.valid_to)"
        )
        assert await service.rows(overlaps) == [], table
        assert await service.rows(f"SELECT row_id FROM {table}_history WHERE valid_to <= valid_from") == [], table


async def versions(service: Service) -> dict[str, Any]:
    """All that was ever recorded."""
    return {table: await service.rows(f"SELECT * FROM {table}_history ORDER BY id") for table in VERSIONS}


def columns_of(model: Any) -> set[str]:
    return set(bulk.column_kinds(model))
