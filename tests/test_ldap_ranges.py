"""Attributes of so many values that a server gives them piece by piece: all are read, or none are believed."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from models.dn import dn_key
from resolvers.connectors import ldap, ldap_connections, ldap_groups
from resolvers.connectors.ldap_probe import probe
from resolvers.connectors.ldap_server import Entry, LdapServer, LdapUnavailable
from tests.active_directory import DOMAIN, PASSWORD, STAFF, Domain, Values, active_directory, piece
from tests.hostile import GENEROUS

GROUPS = f"OU=Groups,{DOMAIN}"
JANE = f"CN=Jane,{STAFF}"


@pytest.fixture
async def domain() -> AsyncIterator[Domain]:
    async with active_directory() as made:
        yield made


async def everybody(server: LdapServer) -> dict[str | None, Entry]:
    return {entry.first("sAMAccountName"): entry async for page in ldap.pages(server) for entry in page}


async def groups_told(server: LdapServer, username: str) -> str:
    (step,) = [each for each in await probe(server, username=username) if each.name == "groups"]
    return step.message


@pytest.mark.parametrize("size", [1, 1_499, 1_500, 1_501, 3_000, 4_001])
async def test_all_members_of_a_group_are_read_whatever_its_size(domain: Domain, size: int) -> None:
    """People stand at both ends of every range; the others are no users."""
    places = sorted({0, 1_499, 1_500, 2_999, 3_000, size - 1} & set(range(size)))
    members = [f"CN=Contact {n},OU=Contacts,{DOMAIN}" for n in range(size)]
    for place in places:
        members[place] = domain.person(f"p{place}")
    all_of_them = domain.group("All", members)
    for dn in members:
        domain.entries.get(dn, {}).pop("memberOf", None)  # what the group says is all that there is
    found = await everybody(domain.server(group_base_dn=GROUPS))
    assert {name for name, entry in found.items() if all_of_them in entry.groups} == {f"p{n}" for n in places}
    assert len(domain.searches_for("member")) == 1 + max(0, -(-size // 1_500) - 1)


async def test_all_groups_of_a_user_are_read_in_a_sync_and_in_a_look_up(domain: Domain) -> None:
    own = domain.entries[JANE]["memberOf"]
    own += [f"CN=List {n},{GROUPS}".encode() for n in range(3_998)]
    domain.max_range = 1_500
    found = (await everybody(domain.server()))["jane"]
    assert len(found.groups) == 3_999
    assert found.groups[-1] == f"CN=List 3997,{GROUPS}"
    assert "and 3994 more" in await groups_told(domain.server(), "jane")


async def test_nested_groups_are_followed_from_all_of_somebody_s_groups(domain: Domain) -> None:
    lists = [domain.group(f"List {n}", [JANE]) for n in range(150)]
    top = domain.group("Top", [lists[-1]])
    domain.max_range = 40
    domain.add(GROUPS, objectClass=["top", "organizationalUnit"])
    server = domain.server(group_base_dn=GROUPS, receive_seconds=10.0)
    found = (await everybody(server))["jane"]
    everything = {top, *lists, f"CN=Engineers,{GROUPS}", f"CN=Everybody,{GROUPS}"}
    assert set(found.groups) == everything
    assert f"and {len(everything) - 5} more" in await groups_told(server, "jane")


async def test_sign_in_and_look_ups_ask_for_no_group(domain: Domain) -> None:
    server = domain.server(group_base_dn=GROUPS)
    for login_dn in (None, JANE):
        found = await ldap.authenticate(server, login_dn=login_dn, username="jane", password=PASSWORD)
        assert found is not None
        assert (found.dn, found.groups) == (JANE, ())
    assert await ldap.find(server, username="jane") == await ldap.find(server, login_dn=JANE)
    assert len(domain.asked) == 4
    assert domain.searches_for("memberOf") == domain.searches_for("member") == []
    assert {dn_key(each.base) for each in domain.asked} == {dn_key(DOMAIN), dn_key(JANE)}


def many() -> Values:
    return [f"CN=List {n},{GROUPS}".encode() for n in range(30)]


def label(make: Callable[[int, int], str], count: int | None = None) -> Callable[[Values, int, int], Any]:
    """Ranges with this option, and so many values if they are not what they should be."""

    def made(values: Values, start: int, most: int) -> tuple[str, Values]:
        return make(start, start + most - 1), values[start : start + most] if count is None else values[:count]

    return made


BROKEN = {
    "never ending": label(lambda start, end: f"range={start}-{end}", 10),
    "one by one for ever": label(lambda start, end: f"range={start}-{start}", 1),
    "repeating": label(lambda start, end: "range=0-9"),
    "leaving out": label(lambda start, end: f"range={start and start + 1}-{end + 1}"),
    "beginning late": label(lambda start, end: f"range={start + 5}-*"),
    "empty": label(lambda start, end: f"range={start}-{end}", 0),
    "empty at last": lambda values, start, most: (piece(values, start, most)[0], values[start:most]),
    "backwards": label(lambda start, end: f"range={end}-{start}"),
    "too long": label(lambda start, end: f"range={start}-{10**12}"),
    "without the rest": lambda values, start, most: ("lang-de", values) if start else piece(values, start, most),
}


@pytest.mark.parametrize("way", BROKEN)
@pytest.mark.parametrize("what", ["members", "groups"])
async def test_a_server_whose_ranges_make_no_sense_is_unavailable(
    domain: Domain, monkeypatch: pytest.MonkeyPatch, way: str, what: str
) -> None:
    monkeypatch.setattr(ldap_groups, "MOST_GROUPS", 500)
    monkeypatch.setattr(ldap_groups, "MOST_MEMBERSHIPS", 500)
    domain.max_range, domain.piece = 10, BROKEN[way]
    server = domain.server(receive_seconds=2.0, group_base_dn=GROUPS if what == "members" else None)
    if what == "members":
        domain.group("All", [f"CN=Contact {n},{DOMAIN}" for n in range(30)])
    else:
        domain.entries[JANE]["memberOf"] = many()
    with pytest.raises(LdapUnavailable, match=r"does not give all|has more than 500|does not speak LDAP"):
        await asyncio.wait_for(everybody(server), GENEROUS)
    if what == "groups":
        assert [step.is_ok for step in await probe(server, username="jane")].count(False) == 1
    assert not ldap_connections._busy


async def test_ranges_that_do_not_end_are_ended_in_time(domain: Domain) -> None:
    domain.max_range, domain.piece = 10, BROKEN["one by one for ever"]
    domain.entries[JANE]["memberOf"] = many()
    with pytest.raises(LdapUnavailable, match=r"within 0\.5 seconds"):
        await asyncio.wait_for(everybody(domain.server(receive_seconds=0.1)), GENEROUS)


@pytest.mark.parametrize(("left", "why"), [(None, "does not give all"), (10, "operationsError")])
async def test_what_goes_while_it_is_read_is_a_fault(domain: Domain, left: int | None, why: str) -> None:
    """The entry itself, or the values that were to come."""

    def going(values: Values, start: int, most: int) -> tuple[str, Values]:
        found = piece(values, start, most)
        if left is None:
            domain.entries.pop(JANE)
        else:
            del values[left:]
        return found

    domain.max_range, domain.piece = 10, going
    domain.entries[JANE]["memberOf"] = many()
    with pytest.raises(LdapUnavailable, match=why):
        await everybody(domain.server())
