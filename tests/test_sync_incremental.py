"""Incremental syncs of a directory: nobody is missed by them, and known failures do not make them read everything."""

import json
from typing import Any

from tests.crew import SAVING, configure, dn, member, of_crew, row_of, sync, user
from tests.directories import absences, counts, loaded
from tests.service import Service, codes
from tests.slapd import Slapd

LATER = "30000101000000Z"


async def set_watermark(service: Service, time: str = LATER) -> None:
    """As if the last run had seen changes up to this time."""
    sql = "SELECT id, options FROM directory_jobs ORDER BY id DESC LIMIT 1"
    ((number, options),) = await service.rows(sql)
    await service.write(
        "UPDATE directory_jobs SET options = $1 WHERE id = $2",
        json.dumps({**loaded(options), "watermark": time}),
        number,
    )


async def test_incremental_run_that_reads_everything_counts_no_absences(service: Service, crew: Slapd) -> None:
    crew.add(member("nomail", mail=()))
    await configure(service, crew)
    assert counts(await sync(service)) == {"create": 3, "failed": 1}
    crew.delete(dn("cid"))
    await set_watermark(service)
    for _ in range(2):
        job = await sync(service, isFull=False, **SAVING)
        assert (job["state"], "absent" in counts(job), "deactivate" in counts(job)) == ("DONE", False, False)
    assert (await user(service, "cid"))["state"] == "ACTIVE"
    sql = "SELECT COUNT(*) FROM directory_entries WHERE absences > 0"
    assert await service.scalar(sql) == 0
    job = await sync(service, **SAVING)
    assert counts(job) == {"unchanged": 2, "failed": 1, "deactivate": 1}, "a full run does count"


async def test_row_that_fails_as_before_does_not_make_the_next_run_read_everything(
    service: Service, crew: Slapd
) -> None:
    crew.add(member("nomail", mail=()))
    await configure(service, crew)
    await sync(service)
    await set_watermark(service)
    job = await sync(service, isFull=False)
    assert counts(job) == {"unchanged": 3, "failed": 1}, "what failed for the first time is read once more"
    await set_watermark(service)
    assert (await sync(service, isFull=False))["total"] == 0
    # Beside runs with nothing to do, and when the entry changes without getting better.
    await set_watermark(service, "20000101000000Z")
    assert counts(await sync(service, isFull=False)) == {"unchanged": 3, "failed": 1}
    await set_watermark(service)
    assert (await sync(service, isFull=False))["total"] == 0


async def test_row_that_fails_for_another_reason_is_read_again(service: Service, crew: Slapd) -> None:
    crew.add(member("dan", mail=()))
    await configure(service, crew)
    await sync(service)
    crew.modify(f"dn: {dn('dan')}\nchangetype: modify\nadd: mail\nmail: no address\n\n")
    job = await sync(service, isFull=False)
    (failed,) = [row for row in job["rows"]["nodes"] if row["action"] == "FAILED"]
    assert codes(failed["errors"]) == ["INVALID"]
    await set_watermark(service)
    assert counts(await sync(service, isFull=False)) == {"unchanged": 3, "failed": 1}
    await set_watermark(service)
    assert (await sync(service, isFull=False))["total"] == 0


async def test_person_without_mail_is_left_out_by_the_documented_filter(service: Service, crew: Slapd) -> None:
    crew.add(member("nomail", mail=()))
    await configure(service, crew, userFilter="(&(uid={username})(mail=*))")
    assert counts(await sync(service)) == {"create": 3}
    await set_watermark(service)
    assert (await sync(service, isFull=False))["total"] == 0


async def test_absences_of_a_full_run_are_kept_by_incremental_runs(service: Service, crew: Slapd) -> None:
    await configure(service, crew)
    await sync(service)
    crew.delete(dn("cid"))
    assert of_crew(await sync(service))["cid"] == "ABSENT"
    await configure(service, crew, pageSize=20)
    assert counts(await sync(service, isFull=False)) == {"unchanged": 2}
    assert (await absences(service, "provider_2"))["cid@example.com"] == (1, False)


async def test_attribute_that_was_removed_is_cleared(service: Service, crew: Slapd) -> None:
    crew.add(member("dan", givenName="Dan"))
    await configure(service, crew)
    await sync(service)
    crew.modify(f"dn: {dn('dan')}\nchangetype: modify\ndelete: givenName\n\n")
    job = await sync(service)
    assert row_of(job, "dan")["changes"] == [{"field": "firstName", "before": "Dan", "after": None}]
    assert counts(job) == {"update": 1, "unchanged": 3}
    sql = "SELECT first_name, first_name_key FROM users WHERE email = 'dan@example.com'"
    assert [tuple(row) for row in await service.rows(sql)] == [(None, None)]


async def test_values_in_another_order_change_nothing(service: Service, crew: Slapd) -> None:
    several: dict[str, Any] = {"mail": ["dan@example.com", "d.lee@example.com"], "givenName": ["Dan", "Daniel"]}
    crew.add(member("dan", **several))
    await configure(service, crew)
    await sync(service)
    before = await user(service, "dan")
    values = "".join(f"replace: {name}\n{name}: {value[1]}\n{name}: {value[0]}\n-\n" for name, value in several.items())
    more = "replace: cn\ncn: Daniel Lee\ncn: Dan\n-\nadd: uid\nuid: daniel"
    crew.modify(f"dn: {dn('dan')}\nchangetype: modify\n{values}{more}\n\n")
    assert counts(await sync(service)) == {"unchanged": 4}
    assert await user(service, "dan") == before
    crew.modify(f"dn: {dn('dan')}\nchangetype: modify\nreplace: mail\nmail: d.lee@example.com\n\n")
    job = await sync(service)
    assert row_of(job, "d.lee")["changes"] == [
        {"field": "email", "before": "dan@example.com", "after": "d.lee@example.com"}
    ]


async def test_aliases_of_attributes_are_read(service: Service, crew: Slapd) -> None:
    """OpenLDAP answers by the main name of an attribute, whatever name it was asked for."""
    crew.add(member("dan", givenName="Dan"))
    names = {
        "lastName": "surname",
        "firstName": "gn",
        "email": "rfc822Mailbox",
        "username": "userid",
        "name": "2.5.4.3",
    }
    await configure(service, crew, attributes={**names, "name": "2.5.4.3"})
    assert counts(await sync(service)) == {"create": 4}
    sql = "SELECT username, name, first_name, last_name FROM users WHERE email = 'dan@example.com'"
    assert [tuple(row) for row in await service.rows(sql)] == [("dan", "Dan", "Dan", "Dan")]


async def test_account_that_has_expired_is_deactivated(service: Service, crew: Slapd) -> None:
    await configure(service, crew)
    await sync(service)
    change = "add: objectClass\nobjectClass: shadowAccount\n-\nadd: shadowExpire\nshadowExpire: 20000"
    crew.modify(f"dn: {dn('cid')}\nchangetype: modify\n{change}\n\n")
    job = await sync(service, isFull=False)
    assert of_crew(job)["cid"] == "DEACTIVATE"
    assert (await user(service, "cid"))["state"] == "DEACTIVATED"
    crew.modify(f"dn: {dn('cid')}\nchangetype: modify\nreplace: shadowExpire\nshadowExpire: 99999\n\n")
    assert of_crew(await sync(service, isFull=False))["cid"] == "REACTIVATE"
