"""Login DNs, members and mappings by the one form of a DN: no spelling makes a second user."""

from typing import Any

import pytest

from tests.crew import SAVING, TEAMS, configure, dn, member, sync, user
from tests.directories import counts
from tests.mutations import ask
from tests.service import Service, codes
from tests.signing_in import sign_in
from tests.slapd import PASSWORD as IN_DIRECTORY
from tests.slapd import Slapd, record
from tests.test_ldap_mappings import given, update

DOE = r"cn=Doe\, John,ou=People,dc=x"
SPELLINGS = (
    r"cn=Doe\2C John,ou=People,dc=x",
    'CN="Doe, John" ; OU=People;DC=x',
    r"2.5.4.3=doe\,  john,organizationalUnitName=PEOPLE,domainComponent=X",
    "cn=#0C09446F652C204A6F686E,ou=People,dc=x",
)
LDAP = {"serverNumber": 1, "loginDn": DOE}


async def create(service: Service, name: str, login_dn: str) -> Any:
    password = {"ldap": {"serverNumber": 1, "loginDn": login_dn}}
    row = {"username": name, "email": f"{name}@x.org", "name": name, "authentication": password}
    return await ask(service, "createUser", {**row, "role": {"name": "Normal user"}}, "errors { code path }")


@pytest.mark.parametrize("spelling", SPELLINGS)
async def test_create_user_rejects_another_spelling_of_a_login_dn(service: Service, spelling: str) -> None:
    assert (await create(service, "one", DOE))["errors"] == []
    answer = await create(service, "two", spelling)
    assert answer["errors"] == [{"code": "TAKEN", "path": ["authentication", "ldap", "loginDn"]}]
    assert await service.rows("SELECT login_dn, login_dn_key FROM users WHERE login_dn IS NOT NULL") == [
        (DOE, r"cn=doe\, john,ou=people,dc=x")
    ]
    query = "query($dn: String!) { users(where: {loginDn: {eq: $dn}}) { nodes { username loginDn } } }"
    assert (await service.data(query, {"dn": spelling}))["users"]["nodes"] == [{"username": "one", "loginDn": DOE}]


@pytest.mark.parametrize(
    "where",
    [
        {"contains": "Doe, John"},
        {"startsWith": "2.5.4.3=DOE\\2c J"},
        {"endsWith": ", OU=People , DC=X"},
        {"in": ["cn=nobody", SPELLINGS[0]]},
        {"contains": "commonName="},
    ],
)
async def test_users_are_found_by_any_spelling_of_a_piece_of_their_login_dn(
    service: Service, where: dict[str, Any]
) -> None:
    assert (await create(service, "one", DOE))["errors"] == []
    query = "query($dn: StringFilter!) { users(where: {loginDn: $dn}) { nodes { username } } }"
    assert (await service.data(query, {"dn": where}))["users"]["nodes"] == [{"username": "one"}]


async def test_a_sync_finds_the_user_of_an_entry_however_their_login_dn_is_spelled(
    service: Service, crew: Slapd
) -> None:
    await configure(service, crew)
    spelled = dn("ann").replace("uid=ann", "0.9.2342.19200300.100.1.1=#0403616e6e")
    normal = dn("ann").lower()
    await service.write(
        "UPDATE users SET provider_id = 2, ldap_provider_id = 2, login_dn = $1, login_dn_key = $2 WHERE id = 8",
        spelled, normal,
    )  # fmt: skip
    assert counts(await sync(service, **SAVING)) == {"create": 2, "update": 1}
    found = await user(service, "ann")
    assert (found["id"], found["loginDn"]) == ("user_8", dn("ann"))


async def test_members_are_found_however_a_group_spells_them(service: Service, crew: Slapd) -> None:
    """A `uniqueMember` may end in a bit string, which is no part of the DN (RFC 4517, 3.3.21)."""
    crew.add(member("lee", cn='Lee, Ann "Q"'))
    crew.modify(f"dn: {dn('lee')}\nchangetype: modrdn\nnewrdn: cn=Lee\\2C Ann \\22Q\\22\ndeleteoldrdn: 0\n\n")
    moved = f'CN="Lee, Ann \\"Q\\"" , {dn("lee").partition(",")[2]}'
    team = {"objectClass": "groupOfUniqueNames", "cn": "names", "uniqueMember": [f"{dn('ann')}#'0101'B", moved]}
    crew.add(record(f"cn=names,{TEAMS}", **team))
    given = {"groupFilter": "(uniqueMember={dn})", "mappings": [{"group": "names", "groupIds": ["group_2"]}]}
    await configure(service, crew, **given)
    await sync(service)
    for name, groups in (("ann", [{"id": "group_2"}]), ("lee", [{"id": "group_2"}]), ("bob", [])):
        assert (await user(service, name))["groups"]["nodes"] == groups, name


async def test_a_mapping_names_its_group_by_any_spelling(service: Service) -> None:
    mapping = {"group": r"2.5.4.3=R\2CD,ou=Groups,DC=x", "groupIds": ["group_1"]}
    assert (await update(service, [mapping]))["errors"] == []
    assert (await given(service, r"cn=R\,D,ou=groups,dc=X")).group_ids == (1,)
    assert (await given(service, "cn=R,ou=D,ou=groups,dc=x")).group_ids == ()
    again = {"group": 'CN="R,D";OU=groups,dc=x', "groupIds": ["group_2"]}
    refused = await update(service, [mapping, again])
    assert (codes(refused["errors"]), refused["errors"][0]["path"][-2:]) == (["DUPLICATE"], ["1", "group"])


async def test_a_group_that_is_called_like_the_dn_of_another_gives_nothing_of_that(service: Service) -> None:
    """Who may name groups somewhere in a directory must not become what a group elsewhere gives."""
    assert (await update(service, [{"group": "cn=heads,dc=x", "groupIds": ["group_1"]}]))["errors"] == []
    assert (await given(service, "cn=heads,dc=x")).group_ids == (1,)
    for group in (r"cn=cn\=heads\,dc\=x,ou=own,dc=x", 'cn="cn=heads,dc=x",ou=own,dc=x', "heads", "cn=heads,dc=x,dc=y"):
        assert (await given(service, group)).group_ids == (), group


@pytest.mark.parametrize(
    "spelling", ["OID.0.9.2342.19200300.100.1.1=ann", "uid=#0c03616e6e", 'UserId = "ann"', r"uid=\61nn"]
)
async def test_sign_in_reaches_the_entry_by_any_spelling_of_its_dn(
    service: Service, crew: Slapd, spelling: str
) -> None:
    await configure(service, crew)
    spelled = f"{spelling} , {dn('ann').partition(',')[2]}"
    given = {"ldap": {"serverNumber": 1, "loginDn": spelled}}
    row = {"id": "user_8", "to": given}
    answer = await ask(service, "convertUsers", {"conversions": [row], "verify": "FIND"}, "results { errors { code } }")
    assert answer["results"] == [{"errors": []}]
    stored = await service.rows("SELECT login_dn, login_dn_key FROM users WHERE id = 8")
    assert stored == [(spelled, dn("ann"))]
    assert (await sign_in(service, "member", IN_DIRECTORY))["user"]["id"] == "user_8"
