"""Files as other programs write them: everything is read as its sender means it."""

import asyncio
import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from resolvers.importers import open_rows
from tests.importing import ADA, entry, notes, problems, refuse, users
from tests.server import usergraph
from tests.service import SECRET, Service

# --- what ldapsearch writes ----------------------------------------------------------------------------------------

LDAPSEARCH = f"""\
# extended LDIF
#
# LDAPv3
# base <dc=acme,dc=example> with scope subtree
# filter: (objectClass=person)
#

# ada, people, acme.example
{entry("ada", "cn;lang-ja;phonetic: adabu", "cn;lang-ja:: 5rW3", "cn;lang-en: Ada B", "cn: Ada Brandt")}
# search reference
ref: ldap://b.example/ou=b,dc=acme,dc=example??sub

# bo, people, acme.example
{entry("bo", "cn;lang-en: Bo En", "cn;lang-ja: Bo Ja", "cn;lang-en;phonetic: bo")}
# search result
search: 2
result: {{}}
control: 1.2.840.113556.1.4.319 false MAUCAQAEAA==
pagedresults: cookie=

# numResponses: 4
# numEntries: 2
# numReferences: 1
"""


def test_output_of_ldapsearch_is_read_with_its_trailer(save: Any) -> None:
    path = save("people.ldif", LDAPSEARCH.format("0 Success"))
    assert [user["name"] for user in users(path)] == ["Ada Brandt", "Bo En"]
    assert (open_rows(path).total, notes(path)) == (2, ["1 search reference skipped: no users"])


async def test_a_search_that_was_cut_off_is_noted_and_not_reconciled(service: Service, tmp_path: Path) -> None:
    before = await service.data("{ users { totalCount } }")
    (tmp_path / "people.ldif").write_text(LDAPSEARCH.format("4 Size limit exceeded"))
    settings = {"database_url": service.database.url, "secret_key": SECRET}
    said = "the search that wrote it ended with 4 (Size limit exceeded)"
    done = await asyncio.to_thread(usergraph, tmp_path, "import", "people.ldif", "--dry-run", **settings)
    assert (done.returncode, f"the file may not hold everybody: {said}" in done.stderr) == (0, True)
    done = await asyncio.to_thread(usergraph, tmp_path, "reconcile", "people.ldif", "--source", "hr", **settings)
    assert (done.returncode, said in done.stderr) == (1, True)
    (tmp_path / "page.json").write_text(json.dumps({"value": [ADA], "@odata.nextLink": "https://x.example"}))
    done = await asyncio.to_thread(usergraph, tmp_path, "reconcile", "page.json", "--source", "hr", **settings)
    assert (done.returncode, "it is one page of several" in done.stderr) == (1, True)
    assert await service.data("{ users { totalCount } }") == before


def test_values_in_ranges_are_values(save: Any) -> None:
    group = (
        "dn: cn=Staff,dc=acme,dc=example\nobjectClass: group\ncn: Staff\n"
        "member;range=0-1499: uid=ada,ou=people,dc=acme,dc=example\n"
    )
    path = save("people.ldif", f"{entry('ada')}\n{group}")
    assert users(path)[0]["groups"] == ["Staff"]
    assert notes(path) == ["group 'Staff' is longer than the server sent: the last of its members may be missing"]
    assert notes(save("all.ldif", f"{entry('ada')}\n{group.replace('0-1499', '0-*')}")) == []


async def test_a_group_of_a_directory_keeps_its_name_whatever_is_in_it(service: Service, tmp_path: Path) -> None:
    group = "dn: cn=AB,dc=acme,dc=example\nobjectClass: groupOfNames\ncn: A|B \\| C\nmember: uid=ada,{}\n"
    text = f"{entry('ada', 'uid: ada')}\n{group.format('ou=people,dc=acme,dc=example')}"
    (tmp_path / "people.ldif").write_text(text)
    settings = {"database_url": service.database.url, "secret_key": SECRET}
    done = await asyncio.to_thread(usergraph, tmp_path, "import", "people.ldif", **settings)
    assert done.returncode == 0, done.stderr
    found = await service.data('{ user(by: { email: "ada@acme.example" }) { groups { nodes { name } } } }')
    assert found == {"user": {"groups": {"nodes": [{"name": "A|B \\| C"}]}}}


# --- PowerShell, Google, FreeIPA, Okta, 389 Directory Server -------------------------------------------------------


@pytest.mark.parametrize(
    "first",
    [
        "#TYPE Microsoft.ActiveDirectory.Management.ADUser",
        '"#TYPE Selected.Microsoft.ActiveDirectory.Management.ADUser"',
        "#TYPE System.Management.Automation.PSCustomObject;;;",
    ],
)
def test_a_type_line_of_powershell_is_no_heading(save: Any, tmp_path: Path, first: str) -> None:
    path = save(
        "people.csv",
        f'{first}\n"Name","DisplayName","SamAccountName","EmailAddress","Enabled","MemberOf","ObjectClass"\n'
        '"Brandt, Ada","Ada Brandt","ada","ada@acme.example","True",'
        '"Microsoft.ActiveDirectory.Management.ADPropertyValueCollection","user"\n'
        '"Bo","Bo Berg","bo","bo@acme.example","False","CN=Web\\, East,OU=G,DC=acme;CN=Ops,OU=G,DC=acme","user"\n'
        '"PC","PC","PC$","","True","","computer"\n',
    )
    expected = [
        {"name": "Ada Brandt", "username": "ada", **ADA, "is_active": True},
        {
            "name": "Bo Berg",
            "username": "bo",
            "email": "bo@acme.example",
            "is_active": False,
            "groups": ["Web, East", "Ops"],
        },
    ]
    assert users(path) == expected
    again = refuse(path, tmp_path / "refused.csv")
    assert again.read_text().splitlines()[0] == first
    assert users(again) == expected


@pytest.mark.parametrize("mask", ["****", "*", "••••••••", "●●●●", "[hidden]", "<redacted>"])
def test_a_masked_password_is_none(save: Any, mask: str) -> None:
    path = save("people.csv", f"email,Password [Required],password_hash\nada@acme.example,{mask},{mask}\n")
    assert users(path) == [ADA]
    assert users(save("p.json", json.dumps([{**ADA, "password": mask}]))) == [ADA]


def test_a_password_beside_the_function_that_hashed_it_is_a_hash(save: Any) -> None:
    path = save(
        "people.csv",
        "Email Address [Required],Password [Required],Password Hash Function [UPLOAD ONLY],Employee Title\n"
        "ada@acme.example,$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW,crypt,Rep\n"
        "bo@acme.example,plum violin harbour 41,,\n",
    )
    assert users(path) == [
        {
            **ADA,
            "password_hash": "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
            "variables": {"jobTitle": "Rep"},
        },
        {"email": "bo@acme.example", "password": "plum violin harbour 41"},
    ]


IPA = "dc=acme,dc=example"
MEMBER_OF = [
    f"cn=ipausers,cn=groups,cn=accounts,{IPA}",
    f"ipaUniqueID=1f0f2a34-9d8a-11ee-9f9e-525400c1a7f2,cn=hbac,{IPA}",
    f"ipaUniqueID=2f0f2a34-9d8a-11ee-9f9e-525400c1a7f2,cn=sudorules,cn=sudo,{IPA}",
    f"cn=System: Add Users,cn=permissions,cn=pbac,{IPA}",
    f"cn=User Administrators,cn=privileges,cn=pbac,{IPA}",
    f"cn=helpdesk,cn=roles,cn=accounts,{IPA}",
    f"cn=machines,cn=hostgroups,cn=accounts,{IPA}",
    f"cn=net,cn=ng,cn=alt,{IPA}",
    f"ipaUniqueID=3f0f2a34-9d8a-11ee-9f9e-525400c1a7f2,cn=usermap,cn=selinux,{IPA}",
    f"CN = hbac admins , ou=roles,{IPA}",
]


def test_member_of_names_groups_and_neither_rules_nor_permissions(save: Any) -> None:
    path = save("people.ldif", entry("ada", *(f"memberOf: {dn}" for dn in MEMBER_OF)))
    assert users(path)[0]["groups"] == ["ipausers", "hbac admins"]
    assert users(save("people.json", json.dumps([{**ADA, "memberOf": MEMBER_OF}])))[0]["groups"] == [
        "ipausers",
        "hbac admins",
    ]
    cell = ";".join(MEMBER_OF)
    assert users(save("people.csv", f'mail,memberOf\nada@acme.example,"{cell}"\n'))[0]["groups"] == [
        "ipausers",
        "hbac admins",
    ]


def test_an_organization_of_okta_and_scim_is_the_name_of_a_company(save: Any) -> None:
    row = "ada@acme.example,ada@acme.example,ACME Ltd,ACTIVE"
    path = save("okta.csv", f"login,Primary email,organization,status\n{row}\n")
    expected = {**ADA, "variables": {"organization": "ACME Ltd"}, "is_active": True}
    assert users(path) == [{**expected, "username": "ada@acme.example"}]
    assert notes(path) == [
        "organization is taken for the name of a company; --map organization=organizations makes memberships of it"
    ]
    assert users(path, mapping={"organization": "organizations"})[0]["organizations"] == ["ACME Ltd"]
    enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
    scim = {"emails": [{"value": "ada@acme.example"}], "active": True, enterprise: {"organization": "ACME Ltd"}}
    assert users(save("scim.json", json.dumps({"Resources": [scim]}))) == [expected]


# Published beside a tool that audits such hashes: 10,000 iterations, a salt of 64 bytes, a digest of 256.
OF_389 = (
    "{PBKDF2_SHA256}AAAnEGTxXtnR/oox922/jZyjH6fmiIdW4AwIYZE2LfCVL/SUz5GbAHfjRj4NbN2u8ul0/j/dUzJ4gQSawGALGHZV74nOAtPttoZD"
    "Tsh7BeGCLD/Ps7vRugwDdz9uPARXzF3bD/8qCpumvRGb4pehzfQsk+FnGgTwi0rUeVaN8a7Kbv8ZpRfU2sd+208F/YL42BWAh/2tv0I4vY7ZsrCZcrUJ"
    "tgKWy5Nr+t78zmPkrZsX/kgfnGdXhr50kN10cmkLQ0/cZOXo9CAkpeZyFu+wQ5vQdUaES2Vd5kBjJYPCkr4b2ocr4ETQi3IGO2GGCoCetmMIETsudRVS"
    "xUNBbva+Vgxin5Apu4wIP/0ZyuGK6TuWLqLnNpmK3RkRx0xjqJ4nN2Ok0ul0XYBJcYIBt4UoaVM2uSa/Etw28Uy+zAsUv2AOiRo5"
)


async def test_hashes_of_389_directory_server_sign_people_in(service: Service, tmp_path: Path) -> None:
    salt = b"s" * 64
    digest = hashlib.pbkdf2_hmac("sha256", b"plum violin harbour 41", salt, 8192, 256)
    own = "{PBKDF2_SHA256}" + base64.b64encode((8192).to_bytes(4, "big") + salt + digest).decode()
    for name, text in (("ada", OF_389), ("bo", own)):
        encoded = base64.b64encode(text.encode()).decode()
        (tmp_path / f"{name}.ldif").write_text(entry(name, f"uid: {name}", f"userPassword:: {encoded}"))
        settings = {"database_url": service.database.url, "secret_key": SECRET}
        hashes = ("--map", "userPassword=password_hash")
        done = await asyncio.to_thread(usergraph, tmp_path, "import", f"{name}.ldif", *hashes, **settings)
        assert done.returncode == 0, done.stderr
    query = "mutation($input: SignInInput!) { signIn(input: $input) { user { username } errors { code } } }"
    for username, password in (("ada", "Password123"), ("bo", "plum violin harbour 41")):
        for given, found in ((password, {"username": username}), (password + "x", None)):
            answer = await service.data(query, {"input": {"username": username, "password": given}}, who=None)
            assert answer["signIn"]["user"] == found


def test_hashes_stay_out_unless_they_are_mapped(save: Any) -> None:
    path = save("people.ldif", entry("ada", f"userPassword: {OF_389}"))
    assert users(path) == [ADA]
    assert "userPassword is never imported" in open_rows(path).notes
    assert users(path, mapping={"userPassword": "password_hash"}) == [{**ADA, "password_hash": OF_389}]
    assert problems(path) == {}
