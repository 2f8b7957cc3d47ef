"""Entries that are no users, such as tombstones, contacts and computers, are skipped with a count and a reason."""

import json
from typing import Any

import pytest

from tests.importing import ADA, entry, notes, users

AD = ("top", "person", "organizationalPerson", "user")
GUID = "9ad2b7d4-5c2f-4f3a-8a7b-1b2c3d4e5f60"


@pytest.mark.parametrize(
    ("record", "note"),
    [
        (entry("nsuniqueid=5c0c1401-dd1011ee-a7f6a1b9-7a0f4b12,uid=x,dc=acme"), "1 tombstone"),
        (entry("uid=x,dc=acme", classes=("person", "nsTombstone")), "1 tombstone"),
        (entry("nsuniqueid=66446001-1dd211b2+uid=x,dc=acme"), "1 replication conflict"),
        (entry("uid=x,dc=acme", "isDeleted: TRUE", classes=AD), "1 tombstone"),
        (entry(f"CN=X\\0ADEL:{GUID},CN=Deleted Objects,DC=acme", classes=AD), "1 tombstone"),
        (entry(f"CN=X\\0ACNF:{GUID},OU=Staff,DC=acme", classes=AD), "1 replication conflict"),
        (entry("CN=X,OU=C,DC=acme", classes=("top", "person", "organizationalPerson", "contact")), "1 contact"),
        (entry("CN=PC,OU=C,DC=acme", classes=(*AD, "computer")), "1 computer"),
        (entry("CN=DC1,OU=C,DC=acme", "userAccountControl: 532480", classes=AD), "1 computer"),
        (entry("CN=X,OU=C,DC=acme", "sAMAccountType: 805306369", classes=AD), "1 computer"),
        (entry("CN=S,OU=C,DC=acme", classes=(*AD, "computer", "msDS-GroupManagedServiceAccount")), "1 computer"),
        (entry("CN=S,OU=C,DC=acme", classes=(*AD, "msDS-GroupManagedServiceAccount")), "1 managed service account"),
        (entry("CN=OTHER$,CN=Users,DC=acme", "userAccountControl: 2080", classes=AD), "1 trust"),
        (entry("uid=pc$,dc=acme", "sambaAcctFlags: [W          ]", classes=("person",)), "1 computer"),
        (entry("CN=S-1-5-11,CN=F,DC=acme", classes=("person", "foreignSecurityPrincipal")), "1 foreign security"),
        (entry("cn=x,dc=acme", "ref: ldap://b.example", classes=("person", "referral")), "1 referral"),
        ("ref: ldap://b.example/dc=b,dc=example??sub\n", "1 search reference"),
    ],
)
def test_ldif_entries_that_are_no_users_are_skipped_and_counted(save: Any, record: str, note: str) -> None:
    path = save("people.ldif", f"version: 1\n\n{record}\n{entry('ada')}")
    assert users(path) == [ADA]
    (found,) = [one for one in notes(path) if one.startswith(note)]
    assert found.endswith("skipped: no users")


def test_csv_rows_that_are_no_users_are_skipped_and_counted(save: Any) -> None:
    path = save(
        "csvde.csv",
        "DN,objectClass,sAMAccountName,userAccountControl,isDeleted,mail\n"
        '"CN=Ada,OU=Staff,DC=acme",user,ada,512,,ada@acme.example\n'
        '"CN=PC-7,OU=PCs,DC=acme",computer,PC-7$,4096,,\n'
        '"CN=PC-8,OU=PCs,DC=acme",computer,PC-8$,4096,,\n'
        '"CN=Con,OU=Staff,DC=acme",contact,,,,con@partner.example\n'
        '"CN=Web,OU=G,DC=acme",group,Web,,,\n'
        '"OU=Staff,DC=acme",organizationalUnit,,,,\n'
        f'"CN=Old\\0ADEL:{GUID},CN=Deleted Objects,DC=acme",user,old,512,TRUE,old@acme.example\n',
    )
    assert users(path) == [{**ADA, "username": "ada", "is_active": True}]
    assert notes(path) == [
        "2 computers skipped: no users",
        "1 contact skipped: no users",
        "1 group entry skipped: no users",
        "1 organizationalunit entry skipped: no users",
        "1 tombstone skipped: no users",
    ]


def test_json_objects_that_are_no_users_are_skipped_and_counted(save: Any) -> None:
    graph = [
        {"@odata.type": "#microsoft.graph.user", "mail": "ada@acme.example"},
        {"@odata.type": "#microsoft.graph.orgContact", "mail": "con@partner.example"},
        {"@odata.type": "#microsoft.graph.group", "mail": "staff@acme.example"},
        {"objectClass": ["top", "computer"], "mail": "pc@acme.example"},
    ]
    for path in (
        save("people.json", json.dumps({"value": graph})),
        save("people.ndjson", "\n".join(map(json.dumps, graph))),
    ):
        assert users(path) == [ADA]
        assert notes(path) == [
            "1 contact skipped: no users",
            "1 group skipped: no users",
            "1 computer skipped: no users",
        ]


def test_users_that_freeipa_put_aside_have_no_access(save: Any) -> None:
    base = "cn=accounts,cn=provisioning,dc=acme,dc=example"
    path = save(
        "ipa.ldif",
        f"{entry('ada')}\n{entry(f'uid=old,cn=deleted users,{base}')}\n{entry(f'uid=new,cn=staged users,{base}')}",
    )
    assert [user.get("is_active") for user in users(path)] == [None, False, False]
