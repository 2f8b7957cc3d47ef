"""Signing in and being found at a real LDAP server, whatever stands in names, DNs and passwords."""

import asyncio
import dataclasses
import socket

import pytest

from models.dn import dn_key, first_value, is_dn
from resolvers.connectors import ldap
from resolvers.connectors.ldap_server import LdapUnavailable, address
from tests.slapd import BASE, GROUPS, JANE, LEADS, LEE, NARROW, PASSWORD, PEOPLE, STAFF, WEB, Slapd, grouped, person


async def dn_of(slapd: Slapd, username: str = "", password: str = PASSWORD, login_dn: str | None = None) -> str | None:
    """Who got in."""
    found = await ldap.authenticate(slapd.server(), login_dn=login_dn, username=username, password=password)
    return found.dn if found else None


@pytest.mark.parametrize("way", ["url", "tls_url"])
async def test_who_knows_the_password_gets_in_over_starttls_and_ldaps(slapd: Slapd, way: str) -> None:
    server = slapd.server(urls=(getattr(slapd, way),))
    found = await ldap.authenticate(server, login_dn=None, username="jane", password=PASSWORD)
    assert found is not None
    assert (found.dn, found.first("givenName"), found.first("mail")) == (JANE, "Jane", "jane@example.com")
    assert found.groups == ()  # what they give follows with a sync
    assert await ldap.authenticate(server, login_dn=None, username="jane", password="wrong") is None


async def test_names_and_stored_dns_both_lead_to_the_entry(slapd: Slapd) -> None:
    assert await dn_of(slapd, "JANE@example.com") == JANE
    assert await dn_of(slapd, login_dn=JANE) == JANE
    # A stored DN decides; the name beside it is not looked for.
    assert await dn_of(slapd, "leeann", login_dn=JANE) == JANE
    assert await dn_of(slapd, "jane", login_dn=f"uid=nobody,{PEOPLE}") is None


async def test_without_a_service_account_the_stored_dn_is_bound_and_reads_itself(slapd: Slapd) -> None:
    server = slapd.server(bind_dn=None, bind_password=None)
    found = await ldap.authenticate(server, login_dn=JANE, username="", password=PASSWORD)
    assert found is not None
    assert found.first("uid") == "jane"
    assert await ldap.authenticate(server, login_dn=JANE, username="", password="wrong") is None
    # Nobody may search here as nobody, so a name leads nowhere.
    assert await ldap.authenticate(server, login_dn=None, username="jane", password=PASSWORD) is None


@pytest.mark.parametrize(
    "username", ["*", "j*", "jane)(uid=*", "jane)(|(uid=*", "*)(uid=*))(|(uid=*", "\0", "jane\0", "(", ""]
)
async def test_no_name_is_a_filter(slapd: Slapd, username: str) -> None:
    assert await dn_of(slapd, username) is None
    assert await ldap.find(slapd.server(), username=username) is None


@pytest.mark.parametrize("username", ["st*r", "björn", "leeann"])
async def test_odd_names_lead_to_their_own_entry(slapd: Slapd, username: str) -> None:
    found = await dn_of(slapd, username)
    assert found is not None
    entry = await ldap.find(slapd.server(), login_dn=found)
    assert entry is not None
    assert entry.attributes["uid"] == (username,)


async def test_special_characters_of_dns_are_kept(slapd: Slapd) -> None:
    assert await dn_of(slapd, login_dn=LEE) is not None
    entry = await grouped(slapd.server(group_base_dn=GROUPS), "leeann")
    assert dn_key(entry.dn) == dn_key(LEE)
    assert set(entry.groups) == {STAFF, LEADS}


@pytest.mark.parametrize(
    "login_dn", ["*", "uid=*", "no dn", "uid=jane", ",,,", "uid=jane,ou=people,dc=example,dc=com\0"]
)
async def test_what_is_no_dn_of_anybody_lets_nobody_in(slapd: Slapd, login_dn: str) -> None:
    assert await dn_of(slapd, "jane", login_dn=login_dn) is None


@pytest.mark.parametrize("account", [{}, {"bind_dn": None}])
async def test_who_the_filter_of_users_leaves_out_does_not_get_in_by_dn_either(
    slapd: Slapd, account: dict[str, None]
) -> None:
    server = slapd.server(user_filter=f"(&(uid={{username}})(memberOf={STAFF}))", **account)
    let_in = await ldap.authenticate(server, login_dn=JANE, username="", password=PASSWORD)
    assert let_in is not None
    assert let_in.dn == JANE
    other = f"uid=nomail,{PEOPLE}"
    assert await ldap.authenticate(server, login_dn=other, username="", password=PASSWORD) is None
    assert await dn_of(slapd, login_dn=other) == other
    if server.bind_dn:
        entry = await ldap.find(slapd.server(), login_dn=other)
        assert entry is not None
        assert await ldap.find(server, external_id=entry.first("entryUUID")) is None


async def test_an_empty_password_is_refused_before_anything_is_sent() -> None:
    nowhere = server_at("ldap://127.0.0.1:1")
    for login_dn in (None, JANE):
        assert await ldap.authenticate(nowhere, login_dn=login_dn, username="jane", password="") is None


def server_at(url: str) -> ldap.LdapServer:
    return ldap.LdapServer("nowhere", (url,), BASE)


@pytest.mark.parametrize(
    "password", ["\0", PASSWORD + "\0", PASSWORD + " ", PASSWORD.upper(), "😀" * 50, "x" * 100_000]
)
async def test_a_password_is_right_as_a_whole_or_not_at_all(slapd: Slapd, password: str) -> None:
    assert await dn_of(slapd, "jane", password) is None
    assert await dn_of(slapd, "jane", password, login_dn=JANE) is None


async def test_passwords_of_any_letters_are_taken(slapd: Slapd) -> None:
    dn = f"uid=letters,{PEOPLE}"
    slapd.add(person(dn, "letters", userPassword="Пароль 😀 ª\u00a0*)("))
    try:
        assert await dn_of(slapd, "letters", "Пароль 😀 ª\u00a0*)(") == dn
    finally:
        slapd.delete(dn)


async def test_an_entry_without_a_password_lets_nobody_in(slapd: Slapd) -> None:
    assert await dn_of(slapd, "open", "anything") is None
    assert await ldap.find(slapd.server(), username="open") is not None


async def test_two_entries_are_none(slapd: Slapd) -> None:
    assert await dn_of(slapd, "twin@example.com") is None
    assert await dn_of(slapd, "twin1") == f"uid=twin1,{PEOPLE}"


async def test_aliases_and_referrals_are_not_followed(slapd: Slapd) -> None:
    ghost = await ldap.find(slapd.server(), username="ghost")
    assert ghost is not None
    assert ghost.first("mail") is None  # the alias itself, not Jane whom it stands for
    assert await dn_of(slapd, "ghost") is None
    with pytest.raises(LdapUnavailable, match="referral"):
        await ldap.find(slapd.server(), login_dn=f"uid=jane,ou=elsewhere,{BASE}")


async def test_who_has_no_address_is_found_all_the_same(slapd: Slapd) -> None:
    found = await ldap.find(slapd.server(), username="nomail")
    assert found is not None
    assert (found.first("mail"), found.first("cn")) == (None, "No Mail")


async def test_a_renamed_entry_is_found_by_its_external_id(slapd: Slapd) -> None:
    before, after = f"uid=olga,{PEOPLE}", f"uid=olga2,{PEOPLE}"
    slapd.add(person(before, "olga", "Olga"))
    found = await ldap.find(slapd.server(), username="olga")
    assert found is not None
    external_id = found.first("entryUUID")
    assert external_id
    slapd.modify(f"dn: {before}\nchangetype: modrdn\nnewrdn: uid=olga2\ndeleteoldrdn: 1\n\n")
    try:
        assert await ldap.find(slapd.server(), login_dn=before) is None
        again = await ldap.find(slapd.server(), external_id=external_id)
        assert again is not None
        assert again.dn == after
        assert await ldap.find(slapd.server(), external_id="*") is None
    finally:
        slapd.delete(after)


async def test_groups_within_groups_are_found_and_loops_end(slapd: Slapd) -> None:
    by_search = await grouped(slapd.server(group_base_dn=GROUPS), "jane")
    by_attribute = await grouped(slapd.server(), "jane")
    assert set(by_search.groups) == {STAFF, WEB, LEADS}  # staff is in leads, and leads in staff
    assert set(by_attribute.groups) == {STAFF, WEB}


async def test_a_service_account_that_is_refused_is_a_fault_and_not_a_wrong_password(slapd: Slapd) -> None:
    for more in ({"bind_password": "wrong"}, {"bind_password": None}, {"bind_dn": f"cn=nobody,{BASE}"}):
        with pytest.raises(LdapUnavailable, match="service account") as refused:
            await ldap.authenticate(slapd.server(**more), login_dn=None, username="jane", password=PASSWORD)
        assert PASSWORD not in str(refused.value) + refused.value.hint


async def test_a_base_that_is_not_there_has_nobody(slapd: Slapd) -> None:
    assert await ldap.find(slapd.server(base_dn="dc=nowhere,dc=com"), username="jane") is None


async def test_the_next_address_is_asked_where_one_is_down(slapd: Slapd) -> None:
    server = slapd.server(urls=("ldap://127.0.0.1:1", slapd.tls_url))
    assert await ldap.find(server, username="jane") is not None


async def test_an_account_that_may_read_less_reads_as_well(slapd: Slapd) -> None:
    assert await ldap.find(slapd.server(bind_dn=NARROW), username="jane") is not None


def test_a_server_shows_no_secret() -> None:
    server = dataclasses.replace(server_at("ldaps://x"), bind_dn="cn=a", bind_password="very secret")
    assert "very secret" not in f"{server} {server!r}"


@pytest.mark.parametrize(
    "url",
    ["", "ldap://", "http://x", "ldap.example.com", "ldaps://u:p@host", "ldap://host/dc=x", "ldap://host?x", "ldap://h:x",
     "ldap://h:99999", "ldap://[::1", "ldapi:///var/run/x"],
)  # fmt: skip
def test_an_address_is_scheme_host_and_port(url: str) -> None:
    with pytest.raises(ValueError, match="address"):
        address(url)


def test_addresses_have_usual_ports() -> None:
    assert [str(address(url)) for url in ("ldap://h", "ldaps://h", "LDAPS://H:1", "ldap://[::1]")] == [
        "h:389", "h:636", "h:1", "[::1]:389",
    ]  # fmt: skip
    assert address("ldap://127.0.0.7").is_loopback
    assert not address("ldap://128.0.0.1").is_loopback


def test_a_dn_is_the_same_however_it_is_written() -> None:
    assert dn_key(LEE) == dn_key(r"CN = Lee\2C ann \2b \22Q\22 \#1, OU=People,dc=EXAMPLE , dc=com")
    assert dn_key("cn=a\\,b,dc=x") != dn_key("cn=a,b=,dc=x")
    assert dn_key("cn=a+uid=b,dc=x") != dn_key("cn=a,uid=b,dc=x")
    assert first_value(LEE) == 'Lee, Ann + "Q" #1'
    assert [is_dn(text) for text in (LEE, BASE, "jane", "", "cn=,dc=x", "cn=a,,dc=x")] == [
        True,
        True,
        False,
        False,
        False,
        False,
    ]


async def test_the_event_loop_of_the_service_speaks_ldap_too(slapd: Slapd) -> None:
    """Tests run on asyncio's own loop, the service on uvloop."""
    uvloop = pytest.importorskip("uvloop")

    async def both() -> list[str]:
        names = []
        for url in (slapd.url, slapd.tls_url):
            found = await ldap.authenticate(
                slapd.server(urls=(url,)), login_dn=None, username="jane", password=PASSWORD
            )
            names.append(found.dn if found else "")
            names += [entry.dn async for page in ldap.pages(slapd.server(urls=(url,), page_size=3)) for entry in page][
                :1
            ]
        with pytest.raises(LdapUnavailable):
            await ldap.find(slapd.server(urls=("ldap://127.0.0.1:1",)), username="jane")
        with pytest.raises(LdapUnavailable):
            await ldap.find(slapd.server(urls=(f"ldaps://127.0.0.1:{slapd.port}",)), username="jane")
        with socket.create_server(("127.0.0.1", 0)) as silent:
            mute = slapd.server(urls=(f"ldap://127.0.0.1:{silent.getsockname()[1]}",), connect_seconds=0.3)
            with pytest.raises(LdapUnavailable, match="does not answer"):
                await ldap.find(mute, username="jane")
        return names

    assert await asyncio.to_thread(uvloop.run, both()) == [JANE] * 4
