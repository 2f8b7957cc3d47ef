"""The migration that gives login DNs their normal form: spellings become one key, and nobody is lost to another."""

import logging

import pytest
from tortoise import Tortoise
from tortoise.context import TortoiseContext
from tortoise.migrations.api import migrate as tortoise_migrate

from models import migrate
from models.database import Transaction
from models.migrate import config
from tests.history import agrees
from tests.mutations import ask
from tests.service import running
from tests.test_history_migration import triggers
from tests.test_migrations import opened, rows, schema_of

PEOPLE = "ou=people,dc=x"
# By user: the DN as typed, and its key as programs before the migration made it; the provider, and the state.
BEFORE = {
    3: ("CN=Doe\\2C John,OU=People,DC=x", "cn=doe\\2c john,ou=people,dc=x", 2, "ACTIVE"),
    4: ("cn=Doe\\, John,ou=people,dc=x", "cn=doe\\, john,ou=people,dc=x", 2, "DEACTIVATED"),
    5: ("cn=Doe\\, John,ou=people,dc=x", "cn=doe\\, john,ou=people,dc=x", 3, "ACTIVE"),
    6: ("2.5.4.3=Lee,ou=People,dc=x", "2.5.4.3=lee,ou=people,dc=x", 2, "ACTIVE"),
    7: ("sn=B + cn=A,ou=People,dc=x", "sn=b+cn=a,ou=people,dc=x", 2, "ACTIVE"),
    8: ("cn=a+sn=b,ou=people,dc=x", "cn=a+sn=b,ou=people,dc=x", 2, "ACTIVE"),
    9: ("no name at all", "no name at all", 2, "ACTIVE"),
}
AFTER = [
    (3, f"cn=doe\\, john,{PEOPLE}"),
    (4, f"user_4: cn=doe\\, john,{PEOPLE}"),  # not active
    (5, f"cn=doe\\, john,{PEOPLE}"),
    (6, f"cn=lee,{PEOPLE}"),
    (7, f"user_7: cn=a+sn=b,{PEOPLE}"),  # never signed in
    (8, f"cn=a+sn=b,{PEOPLE}"),
    (9, "no name at all"),
]
NAMED = "SELECT id, login_dn_key FROM users WHERE login_dn IS NOT NULL ORDER BY id"
PAST = "SELECT row_id, login_dn_key FROM users_history WHERE login_dn IS NOT NULL AND valid_to IS NULL ORDER BY row_id"


async def _fill(tx: Transaction) -> None:
    for number, (dn, normal, provider, state) in BEFORE.items():
        await tx.rows(
            "UPDATE users SET provider_id = $2, ldap_provider_id = $2, login_dn = $3, login_dn_key = $4, state = $5,"
            " updated_at = CURRENT_TIMESTAMP WHERE id = $1",
            number, provider, dn, normal, state,
        )  # fmt: skip
    await tx.rows("UPDATE users SET last_login_at = NULL")
    await tx.rows("UPDATE users SET last_login_at = CURRENT_TIMESTAMP WHERE id IN (4, 8)")


async def test_spellings_of_one_entry_become_one_key_and_both_users_stay(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(database_url) as database:
        before, installed = await schema_of(database), await triggers(database)
    async with TortoiseContext():
        await tortoise_migrate(config=config(database_url), target="usergraph.0011_match_keys", direction="backward")
        await Tortoise.close_connections()
    async with opened(database_url) as database:
        await database.transaction(_fill)
        versions = await rows(database, "SELECT COUNT(*) FROM users_history")
    with caplog.at_level(logging.WARNING, "usergraph.migrate"):
        await migrate.bring_up_to_date(database_url)
    async with opened(database_url) as database:
        assert await rows(database, NAMED) == AFTER
        assert await rows(database, PAST) == AFTER
        assert await rows(database, "SELECT COUNT(*) FROM users_history") == versions
        assert sorted(map(str, await schema_of(database))) == sorted(map(str, before))
        assert sorted(await triggers(database)) == sorted(installed)
    warned = [record.getMessage() for record in caplog.records if record.name == "usergraph.migrate"]
    assert [each.split(". ")[:2] for each in warned] == [
        [f"user_7 and user_8 have one entry as their login DN, cn=a+sn=b,{PEOPLE}", "user_8 keeps it"],
        [f"user_3 and user_4 have one entry as their login DN, cn=doe\\, john,{PEOPLE}", "user_3 keeps it"],
    ]
    async with running(database_url) as service:
        where = 'where: {loginDn: {startsWith: "user_"}}'
        query = f"{{ users({where}, orderBy: [{{field: ID}}]) {{ nodes {{ id loginDn }} }} }}"
        assert (await service.data(query))["users"]["nodes"] == [
            {"id": "user_4", "loginDn": BEFORE[4][0]},
            {"id": "user_7", "loginDn": BEFORE[7][0]},
        ]
        # Once the other has another DN, saying one's own once more gives the form to who is left.
        freed = {"id": "user_8", "loginDn": f"cn=other,{PEOPLE}"}
        answer = await ask(service, "updateUser", freed, "errors { code }")
        assert answer["errors"] == []
        answer = await ask(service, "updateUser", {"id": "user_7", "loginDn": BEFORE[7][0]}, "errors { code }")
        assert answer["errors"] == []
        assert await service.scalar("SELECT login_dn_key FROM users WHERE id = 7") == f"cn=a+sn=b,{PEOPLE}"
        await agrees(service)
