"""What is recorded: every column but those named here, after every kind of change, and never a secret."""

import re
from typing import Any

import pytest

from models import bulk, tables
from models.history import VERSIONS, Version
from resolvers import history
from tests.cast import PASSWORD
from tests.history import LIVE, OTHERWISE, SCHEMA, agrees, columns_of, fields, moment, versions
from tests.mutations import CASES, PLANS, ask
from tests.service import Service

# What a version does not say, and why.
LEFT_OUT = {
    "users": {
        "password_hash",  # a secret: has_password says that there is one
        "totp_secret",  # secrets
        "totp_pending",
        "totp_last_step",
        "last_login_at",  # changes with every use
        "last_api_request_at",
        "search_key",  # of searching, which has no past
        "name_id",  # how a provider knows them; never read
        "entry_id",
        "match_key_limits",  # of matching, which only asks for the present
    },
    "identity_providers": {"settings", "secrets"},
    "api_keys": {"digest", "last_used_at"},
}
# What is not the directory's, or a record of changes itself.
NOT_RECORDED = {
    "audit_events",
    "directory_entries",
    "directory_job_rows",
    "directory_jobs",
    "invitations",
    "key_grant_limits",
    "letters",
    "password_resets",
    "previous_identities",
    "recovery_codes",
    "saml_assertions",
    "saml_requests",
    "saved_report_roles",
    "saved_reports",
    "sessions",
    "sign_in_failures",
    "stored_answers",
}


def test_every_table_is_recorded_or_named_here() -> None:
    histories = {model._meta.db_table for model in VERSIONS.values()}
    assert set(LIVE) - histories == set(VERSIONS) | NOT_RECORDED
    assert all(issubclass(LIVE[table], Version) for table in histories)


@pytest.mark.parametrize("table", VERSIONS)
def test_every_column_is_recorded_or_named_here(table: str) -> None:
    live, kept = columns_of(LIVE[table]), set(history.kept(VERSIONS[table]))
    assert live - kept - {"id"} == LEFT_OUT.get(table, set())
    assert kept - live == ({"has_password"} if table == "users" else set())
    kinds = bulk.column_kinds(LIVE[table])
    assert {name: kinds[name] for name in kept & live} == {
        name: kind for name, kind in bulk.column_kinds(VERSIONS[table]).items() if name in kept & live
    }


@pytest.mark.parametrize("name", CASES)
async def test_after_every_mutation_the_history_agrees_and_after_a_dry_run_it_is_untouched(
    service: Service, name: str
) -> None:
    prepare, _ = CASES[name]
    given = await prepare(service)
    await agrees(service)
    before = await versions(service)
    if name not in PLANS:
        await ask(service, name, {**given, "dryRun": True}, "errors { code }")
        assert await versions(service) == before
    answer = await ask(service, name, given, "errors { code }")
    assert answer["errors"] == []
    await agrees(service)


WAYS = (
    "UPDATE users SET state = 'DEACTIVATED', version = version + 1 WHERE id IN (4, 5, 6)",
    "UPDATE users SET name = name, last_login_at = CURRENT_TIMESTAMP, last_api_request_at = CURRENT_TIMESTAMP",
    "UPDATE users SET password_hash = NULL WHERE id = 8",
    "INSERT INTO user_tags (user_id, value, value_key) SELECT id, 'x', 'x' FROM users",
    "UPDATE user_tags SET value = 'X' WHERE user_id < 5",
    "UPDATE roles SET rights = '[]', weight = 3 WHERE id = 5",
    "DELETE FROM group_members",
    "DELETE FROM users WHERE id = 9",
    "DELETE FROM users WHERE id = 1 AND 1 = 0",
)


async def test_however_it_is_written_it_is_recorded(service: Service) -> None:
    for way in WAYS:
        await service.write(way)
        await agrees(service)
    counted = "SELECT COUNT(*) FROM users_history WHERE row_id = {}"
    # Made; deactivated. Uses leave no version, nor does a change to what was there.
    assert await service.scalar(counted.format(4)) == 2
    assert await service.scalar(counted.format(3)) == 1
    # A lost password is a change, another hash is none.
    assert await service.scalar(counted.format(8)) == 2
    await service.write("UPDATE users SET password_hash = 'other' WHERE id = 7")
    await service.write("UPDATE users SET password_hash = 'another' WHERE id = 7")
    assert await service.scalar(counted.format(7)) == 2


async def test_what_goes_with_a_user_ends_in_the_past_too(service: Service) -> None:
    await service.write("INSERT INTO user_tags (user_id, value, value_key) SELECT id, 'x', 'x' FROM users")
    await service.write("UPDATE users SET created_by_id = 8 WHERE id = 9")
    await service.write("DELETE FROM users WHERE id = 8")
    await agrees(service)
    for table in ("user_tags", "group_members", "organization_members"):
        found = await service.rows(f"SELECT valid_to IS NULL FROM {table}_history WHERE user_id = 8")
        assert [bool(row[0]) for row in found] == [False], table
    found = await service.rows("SELECT created_by_id FROM users_history WHERE row_id = 9 ORDER BY id")
    assert [row[0] for row in found] == [1, 8, None]


async def test_many_changes_at_one_moment_leave_one_version_of_each(service: Service) -> None:
    """However often a clock that stands still, or goes back, is asked."""
    for minute in (30, 20, 20, 40):
        moment = f"2031-01-01 00:{minute}:00.000001+00:00"
        value = f"'{moment}'" if service.dialect == "sqlite" else f"TIMESTAMPTZ '{moment}'"
        await service.write(f"UPDATE groups SET name = 'g{minute}', updated_at = {value} WHERE id = 1")
        await agrees(service)
    found = await service.rows("SELECT name FROM groups_history WHERE row_id = 1 ORDER BY id")
    assert [row[0] for row in found] == ["Web work", "g20", "g40"]


async def test_a_row_that_is_put_in_anew_goes_on(service: Service) -> None:
    columns = "id, name, name_key, created_at, updated_at"
    if service.dialect == "sqlite":
        await service.write(f"INSERT OR REPLACE INTO groups ({columns}) SELECT {columns} FROM groups")
        await agrees(service)
    row = (await service.rows(f"SELECT {columns} FROM groups WHERE id = 1"))[0]
    await service.write("DELETE FROM groups WHERE id = 1")
    await service.write(f"INSERT INTO groups ({columns}) VALUES (1, $1, $2, $3, $4)", *row[1:])
    await agrees(service)


async def test_no_secret_stands_in_any_version(service: Service) -> None:
    secrets = [PASSWORD]
    for name in ("createApiKey", "changePassword", "confirmSecondFactor", "signIn", "updateIdentityProvider"):
        prepare, selected = CASES[name]
        answer = await ask(service, name, await prepare(service), selected, None if name == "signIn" else "admin")
        secrets += re.findall(r"'(?:secret|token)': '([^']+)'", str(answer))
    for table, columns in {
        "users": "password_hash, totp_secret, totp_pending",
        "api_keys": "digest",
        "identity_providers": "secrets",
        "sessions": "token_digest",
    }.items():
        for row in await service.rows(f"SELECT {columns} FROM {table}"):
            secrets += [each for each in row if each]
    assert len(secrets) > 12
    everything = str(await versions(service))
    assert [each for each in secrets if each in everything] == []


def reachable() -> list[tuple[str, str]]:
    """Each field of each type that hangs below a user."""
    found: list[tuple[str, str]] = []
    waiting, known = ["User"], set()
    while waiting:
        name = waiting.pop()
        if name in known or name.endswith(("Settings", "Rule", "Mapping")):
            continue
        known.add(name)
        for field, definition in SCHEMA.type_map[name].fields.items():  # type: ignore[attr-defined]
            found.append((name, field))
            of = getattr(getattr(definition.type, "of_type", definition.type), "of_type", None)
            inner = of or getattr(definition.type, "of_type", definition.type)
            while hasattr(inner, "of_type"):
                inner = inner.of_type
            if hasattr(inner, "fields") and not history.is_absent(name, field):
                waiting.append(inner.name)
    return found


async def test_every_field_below_a_user_has_a_history_or_is_refused(service_with: Any) -> None:
    """No field may be forgotten: one whose column is not recorded would fail, and not be refused."""
    types = {type_name for type_name, _ in reachable()}
    assert {"User", "Role", "Group", "Organization", "OrganizationMember", "ApiKey", "IdentityProvider"} <= types
    for type_name, names in history.ABSENT.items():
        assert names <= set(SCHEMA.type_map[type_name].fields)  # type: ignore[attr-defined]
    async with service_with(max_cost=100_000_000) as service:
        at = await moment()
        document = f"query($at: DateTime) {{ users(asOf: $at, first: 2) {{ nodes {{ {fields('User', 3)} }} }} }}"
        body = await service.ask(document, {"at": at})
        assert "errors" not in body, body["errors"]


def test_each_kept_column_stands_where_it_was() -> None:
    assert set(OTHERWISE) == {"has_password"}
    assert "password_hash" not in {name for model in VERSIONS.values() for name in columns_of(model)}
    assert {getattr(tables, name) for name in tables.__all__} >= set(VERSIONS.values())
