"""A peer: an ordinary Strawberry and Tortoise service, with resolvers by field and a DataLoader for each relation."""

import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, cast

import strawberry
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.dataloader import DataLoader
from strawberry.extensions import ParserCache, ValidationCache
from tortoise import Tortoise
from tortoise.context import TortoiseContext
from tortoise.expressions import Q, RawSQL, Subquery

from benchmarks.serving import POOL, serve
from models import migrate, tables

Info = strawberry.Info[Any, None]


@strawberry.type
class Role:
    id: strawberry.ID
    name: str
    weight: int


@strawberry.type
class Organization:
    id: strawberry.ID
    name: str


@strawberry.type
class User:
    id: strawberry.ID
    username: str
    email: str
    name: str
    state: str
    last_login_at: datetime | None
    created_at: datetime
    role_id: strawberry.Private[int]
    created_by_id: strawberry.Private[int | None]

    @strawberry.field
    async def role(self, info: Info) -> Role:
        row = await info.context["roles"].load(self.role_id)
        return Role(id=strawberry.ID(str(row.id)), name=row.name, weight=row.weight)

    @strawberry.field
    async def organizations(self, info: Info) -> list[Organization]:
        rows = await info.context["organizations"].load(int(self.id))
        return [Organization(id=strawberry.ID(str(row.id)), name=row.name) for row in rows]

    @strawberry.field
    async def created_by(self, info: Info) -> "User | None":
        if self.created_by_id is None:
            return None
        row = await info.context["users"].load(self.created_by_id)
        return None if row is None else _user(row)


@strawberry.type
class Page:
    query: strawberry.Private[Any]
    rows: strawberry.Private[Any]

    @strawberry.field
    async def total_count(self) -> int:
        return cast(int, await self.query.count())

    @strawberry.field
    async def nodes(self) -> list[User]:
        return [_user(row) for row in await self.rows]


@strawberry.type
class Query:
    @strawberry.field
    async def user(self, id: strawberry.ID) -> User | None:
        row = await tables.User.get_or_none(id=int(id))
        return None if row is None else _user(row)

    @strawberry.field
    async def users(
        self,
        first: int,
        after: strawberry.ID | None = None,
        search: str | None = None,
        role: str | None = None,
        created_after: datetime | None = None,
        recent_first: bool = False,
    ) -> Page:
        query = tables.User.all()
        if search is not None:
            query = query.filter(_holds(search))
        if role is not None:
            query = query.filter(role__name=role)
        if created_after is not None:
            query = query.filter(created_at__gt=created_after)
        rows = query if after is None else query.filter(id__gt=int(after))
        if recent_first:
            # PostgreSQL would begin with those who never signed in.
            never = RawSQL('"users"."last_login_at" IS NULL')
            rows = rows.annotate(never=never).order_by("never", "-last_login_at", "-id")
        else:
            rows = rows.order_by("id")
        return Page(query=query, rows=rows.limit(first))


def _user(row: Any) -> User:
    return User(
        id=strawberry.ID(str(row.id)),
        username=row.username,
        email=row.email,
        name=row.name,
        state=row.state,
        last_login_at=row.last_login_at,
        created_at=row.created_at,
        role_id=row.role_id,
        created_by_id=row.created_by_id,
    )


def _holds(word: str) -> Q:
    aliases = Subquery(tables.UserAlias.filter(value__icontains=word).values("user_id"))
    columns = (Q(**{f"{name}__icontains": word}) for name in ("name", "username", "email"))
    return Q(*columns, Q(id__in=aliases), join_type="OR")


async def _roles(ids: list[int]) -> list[Any]:
    found = await tables.Role.in_bulk(ids, "id")
    return [found.get(number) for number in ids]


async def _users(ids: list[int]) -> list[Any]:
    found = await tables.User.in_bulk(ids, "id")
    return [found.get(number) for number in ids]


async def _organizations(ids: list[int]) -> Sequence[list[Any]]:
    lists: dict[int, list[Any]] = {number: [] for number in ids}
    for member in await tables.OrganizationMember.filter(user_id__in=ids).select_related("organization"):
        lists[cast(Any, member).user_id].append(member.organization)
    return [lists[number] for number in ids]


class View(GraphQL[Any, None]):
    async def get_context(self, request: Request | WebSocket, response: Response | WebSocket) -> Any:
        return {
            "roles": DataLoader(load_fn=_roles),
            "users": DataLoader(load_fn=_users),
            "organizations": DataLoader(load_fn=_organizations),
        }


def application(url: str) -> Starlette:
    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with TortoiseContext():
            options = "" if url.startswith("sqlite") else f"?minsize=1&maxsize={POOL}"
            await Tortoise.init(config=migrate.config(url + options), _enable_global_fallback=True)
            yield
            await Tortoise.close_connections()

    schema = strawberry.Schema(Query, extensions=[ParserCache, ValidationCache])
    return Starlette(routes=[Route("/graphql", View(schema))], lifespan=lifespan)


if __name__ == "__main__":
    serve(application(sys.argv[1]), int(sys.argv[2]))
