"""Reading a whole directory: page by page in bounded memory, incrementally, and never a short list for a whole one."""

import asyncio
import tracemalloc
from collections.abc import Iterator

import pytest

from resolvers.connectors import ldap
from resolvers.connectors.ldap_server import Entry, LdapServer, LdapUnavailable
from tests.slapd import (
    BASE,
    GROUPS,
    JANE,
    LEADS,
    NARROW,
    PASSWORD,
    PEOPLE,
    STAFF,
    WEB,
    Slapd,
    crowd,
    grouped,
    person,
    record,
)

MANY = 10_000
CROWD = f"ou=crowd,{BASE}"


@pytest.fixture(scope="module")
def crowded(slapd: Slapd) -> Iterator[Slapd]:
    """A server with ten thousand people more."""
    server = Slapd(record(CROWD, objectClass="organizationalUnit", ou="crowd") + crowd(MANY, CROWD))
    yield server
    server.stop()


async def entries(server: LdapServer, since: str | None = None) -> list[Entry]:
    return [entry async for page in ldap.pages(server, since=since) for entry in page]


async def test_ten_thousand_entries_come_page_by_page(crowded: Slapd) -> None:
    server = crowded.server(base_dn=CROWD)
    tracemalloc.start()
    try:
        sizes, names, most = [], set(), 0
        async for page in ldap.pages(server):
            sizes.append(len(page))
            names |= {entry.first("uid") for entry in page}
            most = max(most, tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert sizes == [500] * 20
    assert names == {f"p{n:06}" for n in range(MANY)}
    assert most < 30_000_000  # a page and the names; all entries at once would be some 40 MB


async def test_others_have_their_turn_while_a_directory_is_read(crowded: Slapd) -> None:
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    other = asyncio.create_task(others())
    try:
        async for page in ldap.pages(crowded.server(base_dn=CROWD, page_size=5_000)):
            assert len(page) == 5_000
            break
    finally:
        other.cancel()
    assert turns > 5_000 / 20


async def test_every_page_has_its_groups_by_attribute_and_by_search(slapd: Slapd) -> None:
    for more, expected in ((None, {STAFF, WEB}), (GROUPS, {STAFF, WEB, LEADS})):
        found = {entry.dn: entry for entry in await entries(slapd.server(page_size=2, group_base_dn=more))}
        assert set(found[JANE].groups) == expected
        one = await grouped(slapd.server(group_base_dn=more), "jane")
        assert set(one.groups) == expected
        read = {name: values for name, values in found[JANE].attributes.items() if name != "createtimestamp"}
        assert one.attributes == read  # the time is read where all are


async def test_only_what_changed_since_then_is_read(slapd: Slapd) -> None:
    assert await entries(slapd.server(), since="29990101000000Z") == []
    everybody = await entries(slapd.server())
    newest = max(entry.first("modifyTimestamp") or "" for entry in everybody)
    await asyncio.sleep(1.1)  # modifyTimestamp counts seconds
    dn = f"uid=late,{PEOPLE}"
    slapd.add(person(dn, "late"))
    try:
        since = f"{int(newest[:-1]) + 1}Z"
        assert [entry.dn for entry in await entries(slapd.server(), since=since)] == [dn]
    finally:
        slapd.delete(dn)


async def test_whether_people_are_found_by_when_they_changed_is_told(slapd: Slapd) -> None:
    """A time with a fraction, as Active Directory writes it, is the same time."""
    server = slapd.server()
    for form in ("Z", ".0Z"):
        assert await ldap.tells_since(server, f"20260101000000{form}")
        assert len(await entries(server, since=f"20000101000000{form}")) == len(await entries(server))
        assert await entries(server, since=f"29990101000000{form}") == []
    # Shown, but of no order; shown, but nothing that is searched by; and known to nobody.
    for attribute in ("entryUUID", "entryDN", "whenChanged"):
        other = slapd.server(attributes={**server.attributes, "changed_at": attribute})
        assert not await ldap.tells_since(other, "20260101000000Z")
        assert await entries(other, since="20000101000000Z") == []


async def test_an_entry_is_left_out_by_bits_of_a_number(slapd: Slapd) -> None:
    """As Active Directory's disabled accounts are."""
    dns = [f"uid=bits{number},{PEOPLE}" for number in (512, 514)]
    kinds = ["inetOrgPerson", "posixAccount"]
    for dn in dns:
        name = dn[4:11]
        more = {"uidNumber": name[4:], "gidNumber": "1", "homeDirectory": "/", "userPassword": PASSWORD}
        slapd.add(record(dn, objectClass=kinds, uid=name, cn=name, sn=name, **more))
    try:
        server = slapd.server(user_filter="(&(uid={username})(!(uidNumber:1.2.840.113556.1.4.803:=2)))")
        for login_dn, username in ((None, "bits{}"), (f"uid=bits{{}},{PEOPLE}", "")):
            for number, expected in (("512", dns[0]), ("514", None)):
                found = await ldap.authenticate(
                    server,
                    login_dn=login_dn and login_dn.format(number),
                    username=username.format(number),
                    password=PASSWORD,
                )
                assert (found and found.dn) == expected
        numbered = "(&(uid={username})(uidNumber=*)(!(uidNumber:1.2.840.113556.1.4.803:=2)))"
        assert [entry.dn for entry in await entries(slapd.server(user_filter=numbered))] == [dns[0]]
    finally:
        slapd.delete(*dns)


@pytest.mark.parametrize("since", ["*", "20260101)(uid=*", ""])
async def test_a_time_is_no_filter(slapd: Slapd, since: str) -> None:
    assert await entries(slapd.server(), since=since) == []


async def test_a_list_that_the_server_cuts_short_is_a_fault(crowded: Slapd) -> None:
    # slapd gives 500 to whom it does not know better.
    with pytest.raises(LdapUnavailable, match="cuts the list short"):
        await entries(crowded.server(bind_dn=NARROW, base_dn=CROWD, page_size=200))


async def test_a_server_that_goes_away_between_pages_is_a_fault() -> None:
    server = Slapd(record(CROWD, objectClass="organizationalUnit", ou="crowd") + crowd(100, CROWD))
    pages = ldap.pages(server.server(base_dn=CROWD, page_size=20))
    try:
        assert len(await anext(pages)) == 20
        server.stop()
        with pytest.raises(LdapUnavailable):
            await anext(pages)
    finally:
        server.stop()


async def test_who_stops_reading_leaves_no_connection(crowded: Slapd) -> None:
    for _ in range(80):  # more than there may be at once
        pages = ldap.pages(crowded.server(base_dn=CROWD, page_size=10))
        async for page in pages:
            assert len(page) == 10
            break
        await pages.aclose()  # type: ignore[attr-defined]
