"""A running service for the tests: asked as a client would, looked into as an operator could."""

import contextlib
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import httpx
from starlette.applications import Starlette

from graph.app import create_app
from models.settings import Settings

SECRET = "vx2T2QdhVSnJ4Zc7hTxW8FSm6AZr1bW2ERZsGgU5gq0="
# Keys of the cast (tests/cast.py), by username.
PEOPLE = ("admin", "it", "pm", "normal", "readonly", "orgadmin", "robot")


def key_of(username: str) -> str:
    return f"ug_test_key_of_{username}_0123456789"


LIST = re.compile(r"= ANY\(\$\d+::\w+\[\]\)|IN \(SELECT value FROM json_each\(\$\d+\)\)|= \$\d+(::\w+)?")
# Of the tables that change with every use, the columns that do not.
STEADY = {
    "users": "version, state, role_id, email, password_hash, provider_id, ldap_provider_id, login_dn, name_id,"
    " entry_id, name, match_key_limits",
    "api_keys": "revoked_at",
    "sessions": "user_id, expires_at, ended_at, address",
}
LIMIT = re.compile(r"(LIMIT|place <=) \d+")
PROOF = re.compile(r", \(SELECT EXISTS \(SELECT 1\nFROM users u JOIN api_keys k .*? IS NOT NULL\)\)\)", re.DOTALL)


class Service:
    """`ask` goes through HTTP in-process; `rows` reads the database itself."""

    def __init__(self, app: Starlette, client: httpx.AsyncClient) -> None:
        self.app = app
        self.client = client
        self.database = app.state.services.database
        self.dialect: str = self.database.dialect.name

    async def post(
        self, body: Any, *, who: str | None = "admin", headers: dict[str, str] | None = None
    ) -> httpx.Response:
        """POST a JSON body as a member of the cast (None: a stranger)."""
        keys = {"x-apikey": key_of(who)} if who else {}
        return await self.client.post("/graphql", json=body, headers={**keys, **(headers or {})})

    async def ask(
        self, query: str, variables: dict[str, Any] | None = None, *, who: str | None = "admin"
    ) -> dict[str, Any]:
        """The whole answer of an operation: data, errors, extensions."""
        answer = await self.post({"query": query, "variables": variables or {}}, who=who)
        body: dict[str, Any] = answer.json()
        return body

    async def data(self, query: str, variables: dict[str, Any] | None = None, *, who: str | None = "admin") -> Any:
        """The data of an operation that must not have errors."""
        body = await self.ask(query, variables, who=who)
        assert "errors" not in body, body["errors"]
        return body["data"]

    async def codes(
        self, query: str, variables: dict[str, Any] | None = None, *, who: str | None = "admin"
    ) -> list[str]:
        """The codes of an operation's top-level errors."""
        body = await self.ask(query, variables, who=who)
        return [error["extensions"]["code"] for error in body.get("errors", [])]

    async def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        async with self.database.reading() as connection:
            return [tuple(row) for row in await connection.rows(sql, *values)]

    async def scalar(self, sql: str, *values: Any) -> Any:
        found = await self.rows(sql, *values)
        return found[0][0] if found else None

    async def write(self, sql: str, *values: Any) -> None:
        """Change the database behind the service's back, to make a situation."""
        await self.database.transaction(lambda tx: tx.rows(sql, *values))

    async def set_external_id(self, user_id: int, value: str, source: str = "api") -> None:
        """As a mutation stores it."""
        if (user_id, source, value) in await self.external_ids():
            return
        if source == "api":
            await self.write("UPDATE users SET external_id = $2 WHERE id = $1", user_id, value)
        await self.write("DELETE FROM user_external_ids WHERE user_id = $1 AND source = $2", user_id, source)
        row = "INSERT INTO user_external_ids (user_id, source, value) VALUES ($1, $2, $3)"
        await self.write(row, user_id, source, value)

    async def external_ids(self) -> list[tuple[int, str, str]]:
        """User, source and id of all of them."""
        return await self.rows("SELECT user_id, source, value FROM user_external_ids ORDER BY user_id, source")

    async def id_of(self, username: str) -> str:
        return f"user_{await self.scalar('SELECT id FROM users WHERE username_key = $1', username)}"

    async def snapshot(self) -> dict[str, Any]:
        """Every table's content, to show that a refused call stored nothing.

        Last uses of keys and sessions are left out, and what outlasts refusals: counts of failed sign-ins, and probes.
        """
        tables = (
            "users user_tags user_aliases user_variables user_external_ids previous_identities roles role_names "
            "identity_providers organizations organization_members groups group_members invitations password_resets "
            "sessions api_keys letters audit_events stored_answers recovery_codes saml_requests saml_assertions "
            "directory_jobs directory_job_rows directory_entries key_grant_limits saved_reports saved_report_roles "
            "users_history "
            "user_tags_history user_aliases_history user_variables_history user_external_ids_history roles_history "
            "role_names_history identity_providers_history organizations_history organization_members_history "
            "groups_history group_members_history api_keys_history "
        ).split()
        found: dict[str, Any] = {}
        for table in tables:
            columns = "*"
            if table in STEADY:
                columns = f"id, created_at, {STEADY[table]}"
            kept = " WHERE action <> 'TAKEN_VALUES_PROBED'" if table == "audit_events" else ""
            found[table] = await self.rows(f"SELECT {columns} FROM {table}{kept} ORDER BY id")
        return found

    @contextlib.contextmanager
    def statements(self) -> Iterator[list[str]]:
        """The SQL statements that run meanwhile, whatever the sizes of pages and lists.

        Looking a key up is one of them, or proving it, where no other statement can do that by the way.
        """
        seen: list[str] = []
        self.database.tracer = lambda sql: seen.append(LIST.sub("= $", LIMIT.sub(r"\1 n", PROOF.sub("", sql))))
        try:
            yield seen
        finally:
            self.database.tracer = None


@contextlib.asynccontextmanager
async def running(url: str, **settings: Any) -> AsyncIterator[Service]:
    """The service over a database that is up to date, in this process. Tests take the turns of its workers."""
    app = create_app(Settings(**{"database_url": url, "secret_key": SECRET, **settings}))
    app.state.background.workers.clear()
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://usergraph.test") as client,
    ):
        yield Service(app, client)


WHO_ASKS = (
    "FROM api_keys k JOIN users",
    "SELECT (SELECT EXISTS (SELECT 1\nFROM users u JOIN api_keys k",
    "FROM sessions s JOIN users",
    "m.role_id\nWHERE m.user_id",
    "SET last_used_at =",
    "SET last_api_request_at =",
)


def beyond_who_asks(statements: Sequence[str]) -> list[str]:
    """The statements but for those that find out who asks and record that they did."""
    return [each for each in statements if not any(part in each for part in WHO_ASKS)]


def codes(errors: Sequence[dict[str, Any]]) -> list[str]:
    return [error["code"] for error in errors]


async def changed(service: Service, user: str) -> list[str]:
    """The actions recorded about a user, oldest first."""
    number = int(user.removeprefix("user_"))
    sql = "SELECT action FROM audit_events WHERE subject_type = 'user' AND subject_id = $1 ORDER BY id"
    return [row[0] for row in await service.rows(sql, number)]
