"""`usergraph admin reseal`: the newest key seals everything, and the older one can go."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

from models.database import Database
from models.secrets import Sealer
from resolvers import reseal
from tests.server import rows, usergraph
from tests.service import SECRET, Service, running

SEALED = {
    "users": ("totp_secret", "totp_pending"),
    "identity_providers": ("secrets",),
    "letters": ("link",),
    "stored_answers": ("answer",),
}


async def fill(service: Service, people: int = 0) -> None:
    """A secret of each kind there is, sealed with the keys of the service."""
    seal = service.app.state.services.sealer.seal
    await service.write("UPDATE users SET totp_secret = $1, totp_pending = $2 WHERE id = 1", seal("a"), seal("b"))
    await service.write("UPDATE identity_providers SET secrets = $1 WHERE id = 1", seal('{"bindPassword": "c"}'))
    invite = 'mutation { inviteUsers(input: {users: [%s], idempotencyKey: "k"}) { errors { code } } }'
    invited = ", ".join(f'{{email: "u{n}@x.test"}}' for n in range(people + 1))
    assert (await service.data(invite % invited))["inviteUsers"]["errors"] == []


async def opened(service: Service, keys: str) -> list[str | None]:
    """All that is sealed, as these keys open it."""
    sealer = Sealer(keys)
    found: list[str | None] = []
    for table, columns in SEALED.items():
        for column in columns:
            for (sealed,) in await service.rows(f"SELECT {column} FROM {table} WHERE {column} IS NOT NULL ORDER BY id"):
                found.append(sealer.open(sealed))
    return found


async def test_all_that_is_sealed_is_sealed_anew_in_batches(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reseal, "BATCH", 3)
    await fill(service, people=7)
    newer = Fernet.generate_key().decode()
    before = await opened(service, SECRET)
    assert len(before) == 12
    seen: list[int] = []
    tally = await reseal.reseal(service.database, Sealer(f"{newer},{SECRET}"), seen.append)
    assert (tally.resealed, tally.newest, tally.lost) == (12, 0, 0)
    assert sum(seen) == await reseal.count(service.database) == 12
    assert await opened(service, newer) == before
    assert await opened(service, SECRET) == [None] * 12
    again = await reseal.reseal(service.database, Sealer(newer), seen.append)
    assert (again.resealed, again.newest, again.lost) == (0, 12, 0)


async def test_what_no_key_opens_is_counted_and_stays(service: Service) -> None:
    await fill(service)
    other = Fernet.generate_key().decode()
    before = await opened(service, SECRET)
    tally = await reseal.reseal(service.database, Sealer(other), lambda _: None)
    assert (tally.resealed, tally.newest, tally.lost) == (0, 0, 5)
    assert await opened(service, SECRET) == before


async def test_what_is_set_meanwhile_is_not_undone(database_url: str) -> None:
    """A secret that changes between being read and being written stays as it was changed."""

    class Slow(Sealer):
        def reseal(self, sealed: str) -> str | None:
            asyncio.get_running_loop().create_task(meanwhile())
            return super().reseal(sealed)

    newer = Fernet.generate_key().decode()
    async with running(database_url) as service:
        seal = service.app.state.services.sealer.seal
        await service.write("UPDATE users SET totp_secret = $1 WHERE id = 1", seal("old"))

        async def meanwhile() -> None:
            await service.write("UPDATE users SET totp_secret = $1 WHERE id = 1", seal("new"))

        await reseal.reseal(service.database, Slow(f"{newer},{SECRET}"), lambda _: None)
        await asyncio.sleep(0.2)
        sealed = await service.scalar("SELECT totp_secret FROM users WHERE id = 1")
        assert Sealer(f"{newer},{SECRET}").open(sealed) == "new"


def run(folder: Path, *arguments: str, **settings: Any) -> Any:
    return usergraph(folder, "admin", "reseal", *arguments, **settings)


async def _fill(folder: Path, key: str) -> None:
    database = Database(f"sqlite://{folder}/usergraph.sqlite3")
    await database.open()
    sealed = Sealer(key).seal("a")
    await database.transaction(lambda tx: tx.rows("UPDATE users SET totp_secret = $1", sealed))
    await database.close()


def test_the_command_says_what_it_did(tmp_path: Path) -> None:
    usergraph(tmp_path, "admin", "key", "admin", secret_key=SECRET)
    asyncio.run(_fill(tmp_path, SECRET))
    newer = Fernet.generate_key().decode()
    done = run(tmp_path, secret_key=newer)
    assert (done.returncode, done.stdout) == (3, "0 secrets sealed with the newest key, 0 were so already\n")
    assert "1 are sealed with a key that USERGRAPH_SECRET_KEY does not list." in done.stderr
    done = run(tmp_path, secret_key=f"{newer},{SECRET}")
    assert (done.returncode, done.stdout) == (0, "1 secrets sealed with the newest key, 0 were so already\n")
    done = run(tmp_path, secret_key=newer)
    assert (done.returncode, done.stdout) == (0, "0 secrets sealed with the newest key, 1 were so already\n")
    ((sealed,),) = rows(tmp_path, "SELECT totp_secret FROM users")
    assert Sealer(newer).open(str(sealed)) == "a"


@pytest.mark.parametrize("arguments", [("reseal", "admin"), ("key",), ("promote",)], ids=" ".join)
def test_who_is_named_where_it_is_needed_and_only_there(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = usergraph(tmp_path, "admin", *arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("usage: usergraph admin")
    assert list(tmp_path.iterdir()) == []
