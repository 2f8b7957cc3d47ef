"""The migration that gives each external id to the source that wrote it, there and back."""

from tortoise import Tortoise
from tortoise.context import TortoiseContext
from tortoise.migrations.api import migrate as tortoise_migrate

from models import migrate
from models.migrate import config
from tests.history import agrees
from tests.service import running
from tests.test_migrations import opened

ENTRY = (
    "INSERT INTO directory_entries (source, entry_key, user_id, absences, last_seen_at)"
    " VALUES ('{}', '{}', {}, 0, '2026-01-01 00:00:00+00:00')"
)
LDAP = "ldap_provider_id = 2, login_dn = 'cn=u{0}', login_dn_key = 'cn=u{0}'"
BEFORE = [
    "UPDATE users SET external_id = 'crm-3' WHERE id = 3",  # by a mutation
    "UPDATE users SET external_id = 'p4' WHERE id = 4",  # by a reconciliation
    ENTRY.format("hr", "p4", 4),
    f"UPDATE users SET external_id = 'uuid-5', {LDAP.format(5)} WHERE id = 5",  # by a sync
    ENTRY.format("provider_2", "uuid-5", 5),
    # by a sync whose memory is gone
    f"UPDATE users SET external_id = 'uuid-6', entry_id = 'entryuuid:uuid-6', {LDAP.format(6)} WHERE id = 6",
    # by a sync, over that of a reconciliation
    f"UPDATE users SET external_id = 'uuid-7', {LDAP.format(7)} WHERE id = 7",
    ENTRY.format("provider_2", "uuid-7", 7),
    ENTRY.format("hr", "p7", 7),
    # of a directory user, by a mutation
    f"UPDATE users SET external_id = 'crm-8', {LDAP.format(8)} WHERE id = 8",
    ENTRY.format("provider_2", "cn=u8", 8),
    ENTRY.format("hr", "outsider@usergraph.test", 9),  # known by the address alone
]
AFTER = [
    (3, "api", "crm-3"),
    (4, "hr", "p4"),
    (5, "provider_2", "uuid-5"),
    (6, "provider_2", "uuid-6"),
    (7, "hr", "p7"),
    (7, "provider_2", "uuid-7"),
    (8, "api", "crm-8"),
]


async def test_ids_go_to_the_source_that_wrote_them(database_url: str) -> None:
    async with TortoiseContext():
        await tortoise_migrate(config=config(database_url), target="usergraph.0010_erasure", direction="backward")
        await Tortoise.close_connections()
    async with opened(database_url) as database:
        for sql in BEFORE:
            await database.transaction(lambda tx, sql=sql: tx.rows(sql))  # type: ignore[misc]
    await migrate.bring_up_to_date(database_url)
    async with running(database_url) as service:
        assert await service.external_ids() == AFTER
        assert await service.rows("SELECT id, external_id FROM users WHERE external_id IS NOT NULL ORDER BY id") == [
            (3, "crm-3"),
            (8, "crm-8"),
        ]
        await agrees(service)
        since = "SELECT user_id FROM user_external_ids_history WHERE valid_from > CURRENT_TIMESTAMP"
        assert await service.rows(since) == []
    async with TortoiseContext():
        await tortoise_migrate(config=config(database_url), target="usergraph.0010_erasure", direction="backward")
        await Tortoise.close_connections()
    async with opened(database_url) as database, database.reading() as connection:
        found = await connection.rows("SELECT id, external_id FROM users WHERE external_id IS NOT NULL ORDER BY id")
        assert [tuple(row) for row in found] == [
            (3, "crm-3"),
            (4, "p4"),
            (5, "uuid-5"),
            (6, "uuid-6"),
            (7, "p7"),
            (8, "crm-8"),
        ]
