"""The tarpit: who fails to sign in waits longer each time, on every process, and locks nobody else out."""

import asyncio
import hashlib
import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.fernet import Fernet

from models.database import Transaction
from models.secrets import Sealer
from resolvers import tarpit
from resolvers.tarpit import ACCOUNT, ACCOUNT_HERE, ADDRESS
from tests.cast import PASSWORD
from tests.service import SECRET, Service, changed
from tests.signing_in import REFUSED, counts, sign_in

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HERE = "192.0.2.1"


async def count(
    service: Service, moment: datetime, *, name: str = "x", user_id: int | None = 8, address: str | None = HERE
) -> tarpit.Attempt:
    async def work(tx: Transaction) -> tarpit.Attempt:
        known = user_id is not None and await tarpit.has_been_here(tx, user_id, address, moment)
        sealer = service.app.state.services.sealer
        return await tarpit.count(
            tx, sealer, name=name, user_id=user_id, address=address, moment=moment, is_known=known
        )

    return await service.database.transaction(work)


async def let_pass(service: Service) -> None:
    """As if the wait were over."""
    await service.write("UPDATE sign_in_failures SET blocked_until = last_at WHERE blocked_until IS NOT NULL")


async def test_waits_double_up_to_a_quarter_of_an_hour(service: Service) -> None:
    moment, waits = NOW, []
    for failure in range(1, 18):
        attempt = await count(service, moment)
        assert not attempt.is_blocked
        assert (attempt.until is None) == (failure < 5)
        if attempt.until is not None:
            waits.append((attempt.until - moment).total_seconds())
            early = await count(service, attempt.until - timedelta(milliseconds=1), user_id=None, name="another")
            assert not early.is_blocked, "another name is another matter"
            moment = attempt.until
        else:
            moment += timedelta(milliseconds=1)
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900]


async def test_who_does_not_wait_is_refused_and_waits_longer_the_next_time(service: Service) -> None:
    for _ in range(5):
        last = await count(service, NOW)
    assert last.until == NOW + timedelta(seconds=1)
    for _ in range(3):
        early = await count(service, NOW + timedelta(milliseconds=500))
        assert (early.is_blocked, early.until) == (True, None), "this wait does not grow"
    after = await count(service, NOW + timedelta(seconds=1))
    assert after.is_blocked is False
    assert after.until == NOW + timedelta(seconds=1 + 16), "the ninth failure, and the fifth that waits"


@pytest.mark.parametrize("kind", [ADDRESS, ACCOUNT])
async def test_an_address_and_an_account_wait_too_but_later(service: Service, kind: tarpit.Kind) -> None:
    def varied(number: int) -> dict[str, Any]:
        return {"user_id": number} if kind is ADDRESS else {"address": f"192.0.2.{number}"}

    for number in range(1, kind.free):
        assert (await count(service, NOW, **varied(number))).blocks == []
    assert (await count(service, NOW, **varied(201))).blocks == [kind]
    assert (await count(service, NOW, **varied(202))).is_blocked
    assert (await count(service, NOW, user_id=99, address="198.51.100.9")).is_blocked is False
    assert tarpit.wait(kind, 10_000) == kind.longest


async def test_while_an_address_waits_nothing_else_is_counted(service: Service) -> None:
    """Names of nobody make no rows, and no account is made to wait by attempts that nobody looks at."""
    for number in range(ADDRESS.free):
        await count(service, NOW, user_id=number % 60 + 100)
    before = await service.rows("SELECT subject_digest, count FROM sign_in_failures ORDER BY id")
    for number in range(5):
        attempt = await count(service, NOW, name=f"nobody {number}", user_id=None)
        assert (attempt.is_blocked, attempt.is_by_address, attempt.blocks) == (True, True, ())
        assert (await count(service, NOW, user_id=9)).is_by_address
        assert not (await count(service, NOW, user_id=9, address="192.0.2.2")).is_by_address
    after = dict(await service.rows("SELECT subject_digest, count FROM sign_in_failures"))
    changed_rows = {digest: after.pop(digest) - found for digest, found in before}
    assert sorted(changed_rows.values())[-1] == 10, "the address, which goes on counting"
    assert sum(changed_rows.values()) == 10
    assert sorted(after.values()) == [5, 5, 5], "user 9 from elsewhere"
    here = await count(service, NOW + timedelta(minutes=16), user_id=None)
    assert (here.is_blocked, here.is_by_address) == (False, False), "the wait is over"


async def test_who_is_known_at_an_address_that_waits_counts_for_themselves(service: Service) -> None:
    """The address's wait does not hold for them, and so their own failures have to count."""
    row = "INSERT INTO sessions (user_id, token_digest, address, created_at, expires_at) VALUES (8, 'd', $1, $2, $2)"
    await service.write(row, HERE, NOW)
    for number in range(ADDRESS.free):
        await count(service, NOW, user_id=number % 60 + 100)
    assert (await count(service, NOW, user_id=9)).is_by_address
    for _ in range(ACCOUNT_HERE.free):
        attempt = await count(service, NOW)
        assert (attempt.is_blocked, attempt.is_by_address) == (False, False)
    attempt = await count(service, NOW)
    assert (attempt.is_blocked, attempt.is_by_address) == (True, False)


async def test_digests_need_the_key_and_are_bound_to_their_kind(service: Service) -> None:
    """Addresses are few enough to try them all: without the key that finds nothing."""
    other = Fernet.generate_key().decode()
    await count(service, NOW, user_id=None, name=HERE)
    found = {row[0] for row in await service.rows("SELECT subject_digest FROM sign_in_failures")}
    assert len(found) == 3
    one, rotated = Sealer(SECRET), Sealer(f"{other},{SECRET}")
    assert set(tarpit._digests(one, HERE, None, HERE).values()) == found
    assert not set(tarpit._digests(rotated, HERE, None, HERE).values()) & found
    parts = {"\0".join(each) for each in itertools.product(("address", "account"), (HERE, f"name:{HERE}"))}
    assert not {hashlib.sha256(part.encode()).hexdigest() for part in parts} & found
    assert one.mark(f"address\0{HERE}".encode()) not in found, "nor is it the mark of anything else"


async def test_after_a_rotation_counting_begins_anew(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(5):
        assert await sign_in(service, password="wrong") == REFUSED
    assert await sign_in(service) == REFUSED
    rotated = Sealer(f"{Fernet.generate_key().decode()},{SECRET}")
    services = service.app.state.services
    monkeypatch.setitem(vars(services), "sealer", rotated)
    assert (await sign_in(service))["errors"] == []
    assert await counts(service) == [0, 0, 6, 6, 6], "older rows match nothing, and go with their time"


async def test_an_account_is_one_by_whatever_name_and_a_name_of_nobody_is_one_too(service_with: Any) -> None:
    async with service_with() as service:
        for name in ("member", "MEMBER", "member@usergraph.test", "Member@USERGRAPH.test", "member"):
            assert await sign_in(service, name, "wrong") == REFUSED
        assert await sign_in(service) == REFUSED, "five failures"
        for name in ("nobody", " NOBODY ", "Nobody"):
            assert await sign_in(service, name) == REFUSED
        digests = await service.rows("SELECT subject_digest, count FROM sign_in_failures")
        assert sorted(row[1] for row in digests) == [3, 3, 6, 6, 9]
        assert all(len(row[0]) == 64 and set(row[0]) <= set("0123456789abcdef") for row in digests)
        assert await service.scalar("SELECT COUNT(DISTINCT subject_digest) FROM sign_in_failures") == 5


async def test_a_right_password_after_the_wait_lets_in_and_forgets(service: Service) -> None:
    for _ in range(5):
        assert await sign_in(service, password="wrong") == REFUSED
    assert await sign_in(service) == REFUSED, "it has to wait, whatever it is"
    assert await service.scalar("SELECT COUNT(*) FROM sessions") == 0
    await let_pass(service)
    assert (await sign_in(service))["errors"] == []
    assert await counts(service) == [6, 6], "of this account from here none are left; the wide counts keep theirs"
    for _ in range(4):
        assert await sign_in(service, password="wrong") == REFUSED
    assert (await sign_in(service))["errors"] == []


async def test_fifty_at_once_count_fifty_and_five_are_looked_at(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    hasher, looked_at = service.app.state.services.hasher, []
    real = hasher.verify

    async def verify(kept: str | None, password: str) -> bool:
        looked_at.append(kept)
        found: bool = await real(kept, password)
        return found

    monkeypatch.setattr(hasher, "verify", verify)
    answers = await asyncio.gather(*(sign_in(service, password=f"wrong {n}") for n in range(50)))
    assert answers == [REFUSED] * 50
    assert await counts(service) == [50, 50, 50]
    assert sum(kept is not None for kept in looked_at) <= 6, "five, and one if a second passed meanwhile"
    assert len(looked_at) == 50
    events = "SELECT action, actor_id, actor_username, changes FROM audit_events WHERE subject_id = 8"
    rows = await service.rows(events)
    assert {row[:3] for row in rows} == {("SIGN_IN_BLOCKED", None, None)}
    assert 1 <= len(rows) <= 2
    assert all("127.0.0.1" in str(row[3]) and "wrong" not in str(row[3]) for row in rows)


async def test_every_process_knows_of_it(service_with: Any) -> None:
    async with service_with() as one, service_with() as other:
        for _ in range(3):
            assert await sign_in(one, password="wrong") == REFUSED
        for _ in range(2):
            assert await sign_in(other, password="wrong") == REFUSED
        assert await sign_in(one) == REFUSED
        assert await changed(one, "user_8") == ["SIGN_IN_BLOCKED"]


async def test_who_guesses_elsewhere_cannot_lock_out_the_last_administrator(service_with: Any) -> None:
    async with service_with(trusted_proxies="127.0.0.1") as service:
        hashed = await service.app.state.services.hasher.hash(PASSWORD)
        await service.write("UPDATE users SET password_hash = $1 WHERE id = 1", hashed)
        assert (await sign_in(service, "admin", address=HERE))["errors"] == []
        await asyncio.gather(
            *(sign_in(service, "admin", f"guess {n}", address=f"198.51.100.{n % 80}") for n in range(80))
        )
        await let_pass(service)
        assert await sign_in(service, "admin", "guess", address="198.51.100.90") == REFUSED
        assert await sign_in(service, "admin", address="203.0.113.7") == REFUSED, "the account waits, at new addresses"
        waits = await service.rows("SELECT blocked_until, last_at FROM sign_in_failures WHERE blocked_until > last_at")
        assert waits
        assert (await sign_in(service, "admin", address=HERE))["errors"] == [], "not where the administrator works"
        assert (await sign_in(service, "member", address="203.0.113.7"))["errors"] == [], "nor does anybody else wait"
        assert await service.codes("{ users { totalCount } }") == [], "and keys do not wait at all"
        for _ in range(5):
            await sign_in(service, "admin", "wrong", address=HERE)
        assert await sign_in(service, "admin", address=HERE) == REFUSED, "one's own place counts its own failures"
    assert max(tarpit.wait(ACCOUNT, failures) for failures in range(50, 500)) == timedelta(minutes=1)


async def test_a_place_is_known_for_a_month_after_a_sign_in_from_there(service: Service) -> None:
    async def is_known(age: timedelta, user: int = 8, address: str = HERE, then: str = HERE) -> bool:
        await service.write("DELETE FROM sessions")
        await service.write("DELETE FROM sign_in_failures")
        row = (
            "INSERT INTO sessions (user_id, token_digest, address, created_at, expires_at) VALUES ($1, 'd', $2, $3, $3)"
        )
        await service.write(row, user, then, NOW - age)
        for number in range(ACCOUNT.free):
            await count(service, NOW, address=f"198.51.100.{number}")
        return not (await count(service, NOW, address=address)).is_blocked

    assert await is_known(timedelta(days=29))
    assert not await is_known(timedelta(days=31))
    assert not await is_known(timedelta(days=1), user=9)
    assert not await is_known(timedelta(days=1), address="192.0.2.2")
    assert await is_known(timedelta(days=1), address="2001:db8::1", then="2001:db8::ffff:2"), "one /64 is one place"
    assert not await is_known(timedelta(days=1), address="2001:db8:0:1::1", then="2001:db8::1")


async def test_an_account_of_ones_own_buys_no_guesses_at_others(service: Service) -> None:
    """Success takes back what it counted itself, and nothing of what was counted at this address before."""
    for number in range(10):
        await count(service, datetime.now(UTC), user_id=100 + number, address="127.0.0.1")
    assert (await sign_in(service))["errors"] == []
    assert max(await counts(service)) == 10


async def test_failures_are_forgotten_and_their_rows_removed(service: Service) -> None:
    for _ in range(7):
        await count(service, NOW)
    assert await counts(service) == [7, 7, 7]
    later = NOW + timedelta(hours=1, seconds=1)
    assert (await count(service, later)).until == later + timedelta(seconds=8), (
        "the account here is remembered for a day"
    )
    assert await counts(service) == [1, 1, 8]
    await count(service, later + timedelta(days=1, seconds=1), user_id=9, address="192.0.2.9")
    assert await counts(service) == [1, 1, 1]


async def test_an_overloaded_service_counts_no_failures(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resolvers.hashing.MOST_WAITING", 0)
    body = 'mutation { signIn(input: {username: "member", password: "x"}) { errors { code } } }'
    assert await service.codes(body, who=None) == ["SERVICE_UNAVAILABLE"]
    assert await counts(service) == [0, 0, 0]


async def test_no_address_is_an_address_too(service: Service) -> None:
    for _ in range(5):
        await count(service, NOW, address=None)
    assert (await count(service, NOW, address=None)).is_blocked
    assert not (await count(service, NOW)).is_blocked
    assert not ACCOUNT_HERE.is_wide
