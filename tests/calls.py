"""Calling a mutation by its name in the tests: the whole payload of refusals and rows."""

from typing import Any

from graphql import GraphQLObjectType, build_schema, get_named_type

from graph.schema import build
from tests.service import Service, key_of

SDL = build_schema(build().as_str())
ERRORS = "errors { code message path }"


async def change(
    service: Service, mutation: str, given: dict[str, Any], *, who: str = "admin", key: str = "", more: str = ""
) -> dict[str, Any]:
    """The payload as a member of the cast, or as who holds `key`; `more` selects further fields of it."""
    assert SDL.mutation_type is not None
    declared = SDL.mutation_type.fields[mutation]
    payload = get_named_type(declared.type)
    assert isinstance(payload, GraphQLObjectType)
    rows = f"results {{ action {ERRORS} }}" if "results" in payload.fields else ""
    operation = f"{mutation}(input: $input) {{ {ERRORS} {rows} {more} }}"
    query = f"mutation($input: {declared.args['input'].type}) {{ {operation} }}"
    body = {"query": query, "variables": {"input": given}}
    answer = (await service.post(body, who=None, headers={"x-apikey": key or key_of(who)})).json()
    assert "errors" not in answer, answer["errors"]
    found: dict[str, Any] = answer["data"][mutation]
    return found


def told(payload: dict[str, Any]) -> list[str]:
    """The codes of the call, else of its rows, which repeat them; [] for a call that was obeyed."""
    errors = payload["errors"] or [error for row in payload.get("results", ()) for error in row["errors"]]
    return [error["code"] for error in errors]


async def refused(service: Service, mutation: str, given: dict[str, Any], *, who: str = "admin", key: str = "") -> str:
    """The codes of a call that must not have stored anything, in one text; "" for one that was obeyed."""
    before = await service.snapshot()
    codes = told(await change(service, mutation, given, who=who, key=key))
    if codes:
        assert await service.snapshot() == before, f"{mutation} was refused and stored something"
    return " ".join(codes)


async def new_role(service: Service, name: str, weight: int, permissions: list[str]) -> int:
    """A role of one's own; its number."""
    given = {"name": name, "weight": weight, "permissions": permissions}
    payload = await change(service, "createRole", given, more="role { id }")
    return int(payload["role"]["id"].removeprefix("role_"))


async def hold(service: Service, username: str, role: int) -> None:
    """Give somebody a role behind the service's back."""
    await service.write(f"UPDATE users SET role_id = {role} WHERE username_key = '{username}'")


async def join(service: Service, organization: int, user: int, role: int | None = None) -> None:
    """Make somebody a member behind the service's back."""
    values = f"{organization}, {user}, {role or 'NULL'}, created_at"
    columns = "(organization_id, user_id, role_id, created_at)"
    await service.write(f"INSERT INTO organization_members {columns} SELECT {values} FROM users WHERE id = {user}")


async def new_key(service: Service, permissions: list[str] | None = None, *, who: str = "admin") -> str:
    """The secret of a key of one's own, narrowed to `permissions`."""
    given: dict[str, Any] = {"name": "narrow", **({} if permissions is None else {"permissions": permissions})}
    payload = await change(service, "createApiKey", given, who=who, more="secret")
    secret: str = payload["secret"]
    return secret
