"""The command `usergraph import`: files of every kind in, refused rows handed back ready to mend."""

import asyncio
import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.server import SCRIPT, dump, environment, rows, usergraph
from tests.service import SECRET, Service

SHARED = Path(__file__).parents[2] / "shared" / "data"
MOST_MEGABYTES = 160
MANY = 20_000

CSV = """email;First name;last_name;role;tags;external_id;groups
ada@new.test;Ada;Brandt;Participant;AE|SouthEast;hr-1;Web work|Field sales
zeljko@new.test;Željko;Novák;only READ;;hr-2;
member@usergraph.test;Mia;;;trainer;;
"""
RECORDS = [
    {
        "email": "ada@new.test",
        "firstName": "Ada",
        "lastName": "Brandt",
        "role": "Participant",
        "tags": ["AE|SouthEast"],
        "externalId": "hr-1",
        "groups": ["Web work", "Field sales"],
    },
    {"email": "zeljko@new.test", "first_name": "Željko", "surname": "Novák", "role": "only READ", "externalId": "hr-2"},
    {"email": "member@usergraph.test", "first_name": "Mia", "tags": "trainer"},
]
LDIF = """version: 1

dn: uid=ada,ou=people,dc=new,dc=test
objectClass: inetOrgPerson
mail: ada@new.test
givenName: Ada
sn: Brandt
tags: AE|SouthEast
role: Participant
externalId: hr-1

dn: uid=zeljko,ou=people,dc=new,dc=test
objectClass: inetOrgPerson
mail: zeljko@new.test
givenName:: xb1lbGprbw==
sn:: Tm92w6Fr
role: only READ
externalId: hr-2

dn: uid=member,ou=people,dc=new,dc=test
objectClass: inetOrgPerson
mail: member@usergraph.test
givenName: Mia
tags: trainer

dn: cn=Web work,ou=groups,dc=new,dc=test
objectClass: groupOfNames
cn: Web work
member: uid=ada,ou=people,dc=new,dc=test

dn: cn=Field sales,ou=groups,dc=new,dc=test
objectClass: groupOfNames
cn: Field sales
member: uid=ada,ou=people,dc=new,dc=test
"""
FILES = {
    "people.csv": CSV,
    "people.json": json.dumps({"users": RECORDS}),
    "people.ndjson": "".join(json.dumps(record) + "\n" for record in RECORDS),
    "people.ldif": LDIF,
}
PEOPLE = """SELECT u.email, u.first_name, u.last_name, u.name, r.name, u.state, u.external_id,
    (SELECT GROUP_CONCAT(value, '|') FROM (SELECT value FROM user_tags WHERE user_id = u.id ORDER BY value_key)),
    (SELECT GROUP_CONCAT(name, '|') FROM (SELECT g.name FROM group_members m JOIN groups g ON g.id = m.group_id
        WHERE m.user_id = u.id ORDER BY g.name_key))
    FROM users u JOIN roles r ON r.id = u.role_id WHERE u.email LIKE '%@new.test' OR u.id = 8 ORDER BY u.email"""
COME = [
    (
        "ada@new.test",
        "Ada",
        "Brandt",
        "Ada Brandt",
        "Normal user",
        "ACTIVE",
        "hr-1",
        "AE|SouthEast",
        "Field sales|Web work",
    ),
    ("member@usergraph.test", "Mia", None, "Member", "Normal user", "ACTIVE", None, "trainer", "Web work"),
    ("zeljko@new.test", "Željko", "Novák", "Željko Novák", "Read only", "ACTIVE", "hr-2", None, None),
]


@pytest.fixture
def folder(tmp_path: Path, sqlite_template: Path) -> Path:
    """A folder with the cast's directory in it."""
    shutil.copy(sqlite_template, tmp_path)
    return tmp_path


# --- every kind of file --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_every_kind_brings_the_same_people(folder: Path, name: str) -> None:
    (folder / name).write_text(FILES[name], encoding="utf-8")
    before = dump(folder)
    tried = usergraph(folder, "import", name, "--dry-run")
    assert (tried.returncode, tried.stdout) == (
        0,
        "Dry run, nothing stored: 2 created, 1 updated, 0 unchanged, 0 refused\n",
    )
    assert dump(folder) == before
    done = usergraph(folder, "import", name)
    assert (done.returncode, done.stdout) == (0, "2 created, 1 updated, 0 unchanged, 0 refused\n"), done.stderr
    assert rows(folder, PEOPLE) == COME
    events = rows(
        folder, "SELECT action, actor_id, subject_label FROM audit_events WHERE actor_id IS NOT NULL ORDER BY id"
    )
    assert ("CREATED", 1, "ada@new.test") in events or ("CREATED", 1, "ada") in events
    assert ("UPDATED", 1, "member") in events
    again = usergraph(folder, "import", name)
    assert (again.returncode, again.stdout) == (0, "0 created, 0 updated, 3 unchanged, 0 refused\n")
    assert not list(folder.glob("*.refused*"))


async def test_an_import_works_beside_a_running_service(service: Service, tmp_path: Path) -> None:
    """In a thread, so that the service goes on meanwhile: it may be in the middle of writing itself."""
    (tmp_path / "people.csv").write_text(CSV, encoding="utf-8")
    settings = {"database_url": service.database.url, "secret_key": SECRET}
    tried = await asyncio.to_thread(usergraph, tmp_path, "import", "people.csv", "--dry-run", **settings)
    assert tried.stdout == "Dry run, nothing stored: 2 created, 1 updated, 0 unchanged, 0 refused\n", tried.stderr
    asked = """{ usersByKeys(keys: [{ email: "ADA@new.test" }, { externalId: "hr-2" }, { id: "user_8" }]) {
        name firstName tags role { name } groups(orderBy: [{ field: NAME }]) { nodes { name } } updatedBy { username }
    } }"""
    before = (await service.data(asked))["usersByKeys"]
    assert before[:2] == [None, None]
    done = await asyncio.to_thread(usergraph, tmp_path, "import", "people.csv", **settings)
    assert (done.returncode, done.stdout) == (0, "2 created, 1 updated, 0 unchanged, 0 refused\n"), done.stderr
    ada, zeljko, member = (await service.data(asked))["usersByKeys"]
    assert ada == {
        "name": "Ada Brandt",
        "firstName": "Ada",
        "tags": ["AE", "SouthEast"],
        "role": {"name": "Normal user"},
        "groups": {"nodes": [{"name": "Field sales"}, {"name": "Web work"}]},
        "updatedBy": {"username": "admin"},
    }
    assert (zeljko["name"], zeljko["role"]) == ("Željko Novák", {"name": "Read only"})
    assert member == {**before[2], "firstName": "Mia", "tags": ["trainer"]}


def test_many_rows_come_in_without_many_in_memory(folder: Path) -> None:
    """A small process starts the command and asks the system for the most that its child ever held."""
    with (folder / "many.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["email", "username", "firstName", "lastName", "role", "tags", "externalId"])
        for number in range(MANY):
            row = [f"p{number}@many.test", f"p{number}", "Pia", f"Person {number}", "Normal user", "AE|SouthEast"]
            writer.writerow([*row, f"x-{number}"])
    weigh = (
        "import resource, subprocess, sys\n"
        "code = subprocess.call(sys.argv[1:])\n"
        "print('peak', resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)\n"
        "sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", weigh, SCRIPT, "import", "many.csv"],
        cwd=folder,
        env=environment(database_url=f"sqlite://{folder}/usergraph.sqlite3"),
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    said, peak = done.stdout.splitlines()
    assert said == f"{MANY} created, 0 updated, 0 unchanged, 0 refused"
    assert rows(folder, "SELECT COUNT(*) FROM users WHERE email LIKE '%@many.test'") == [(MANY,)]
    assert rows(folder, "SELECT COUNT(*) FROM user_tags") == [(2 * MANY,)]
    assert rows(folder, "SELECT COUNT(*) FROM audit_events WHERE action = 'CREATED' AND actor_id = 1") == [(MANY,)]
    megabytes = int(peak.split()[1]) / (1024 if sys.platform == "linux" else 1024 * 1024)
    assert megabytes < MOST_MEGABYTES


# --- real files ----------------------------------------------------------------------------------------------------


def shared(folder: Path, name: str) -> str:
    if not (SHARED / name).exists():
        if os.environ.get("CI") == "true":
            pytest.fail(f"{name} is needed in CI")
        pytest.skip(f"the real file {name} is not on this machine: it is not the project's to copy")
    shutil.copyfile(SHARED / name, folder / name)
    return name


def test_the_sample_directory_of_389_directory_server_comes_in_whole(folder: Path) -> None:
    name = shared(folder, "example-com.ldif")
    tried = usergraph(folder, "import", name, "--dry-run", "--ldap-server", 1, "--role", "Read only")
    assert tried.stdout == "Dry run, nothing stored: 150 created, 0 updated, 0 unchanged, 0 refused\n", tried.stderr
    done = usergraph(folder, "import", name, "--ldap-server", 1, "--role", "Read only")
    assert (done.returncode, done.stdout) == (0, "150 created, 0 updated, 0 unchanged, 0 refused\n"), done.stderr
    assert "userPassword is never imported" in done.stderr
    kinds = "SELECT COUNT(*), COUNT(login_dn), COUNT(password_hash), MIN(role_id), MAX(role_id), MIN(ldap_provider_id)"
    assert rows(folder, f"{kinds} FROM users WHERE email LIKE '%@example.com'") == [(150, 150, 0, 5, 5, 2)]
    members = "SELECT COUNT(*) FROM group_members m JOIN groups g ON g.id = m.group_id WHERE g.name = '{}'"
    assert rows(folder, members.format("Accounting Managers")) == [(2,)]
    assert rows(folder, "SELECT first_name, last_name FROM users WHERE username = 'kvaughan'") == [
        ("Kirsten", "Vaughan")
    ]


def test_a_bulk_template_of_microsoft_entra_comes_in_whole(folder: Path) -> None:
    name = shared(folder, "entra-bulk-create.csv")
    done = usergraph(folder, "import", name)
    assert (done.returncode, done.stdout) == (0, "2 created, 0 updated, 0 unchanged, 0 refused\n"), done.stderr
    people = "SELECT name, first_name, state, password_hash LIKE '$argon2id$%' FROM users WHERE email LIKE '%contoso%'"
    assert rows(folder, f"{people} ORDER BY name") == [
        ("Ada Brandt", "Ada", "ACTIVE", 1),
        ("Željko Novák", "Željko", "DEACTIVATED", 1),
    ]
    values = "SELECT v.value FROM user_variables v JOIN users u ON u.id = v.user_id WHERE u.first_name = 'Ada'"
    assert rows(folder, f"{values} ORDER BY v.name_key") == [("Finance",), ("Analyst",)]


@pytest.mark.parametrize(("name", "noun"), [("people.csv", "line"), ("people.json", "record")])
def test_a_row_that_stood_before_is_refused_by_its_line_however_far_up(folder: Path, name: str, noun: str) -> None:
    rows_ = [{"email": f"p{n}@new.test", "externalId": f"hr-{n}", "aliases": f"a{n}"} for n in range(1_200)]
    rows_[3]["aliases"] = "A2"
    rows_[1_100]["email"] = "P7@NEW.test"
    rows_[1_101]["externalId"] = "hr-8"
    if noun == "line":
        lines = ["email,externalId,aliases", *(",".join(row.values()) for row in rows_)]
        (folder / name).write_text("\n".join(lines) + "\n")
    else:
        (folder / name).write_text(json.dumps(rows_))
    # A file's first line holds the headings, an array's first record is a user.
    shift = 2 if noun == "line" else 1
    for more in (["--dry-run"], []):
        done = usergraph(folder, "import", name, *more)
        assert done.returncode == 3, done.stderr
        assert "1197 created, 0 updated, 0 unchanged, 3 refused" in done.stdout
        for place, what, first in ((3, "alias", 2), (1_100, "email", 7), (1_101, "external id", 8)):
            said = f"This {what} is sent twice, first in {noun} {first + shift}. Send it once."
            line = next(each for each in done.stderr.splitlines() if f"{noun} {place + shift:,}: " in each)
            assert said in line
            assert said in (folder / name.replace(".", ".refused.")).read_text()
        (folder / name.replace(".", ".refused.")).unlink()
