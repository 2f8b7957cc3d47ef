"""What usergraph exports it imports again without loss, also through a spreadsheet."""

import asyncio
import random
import re
import subprocess
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests import libreoffice
from tests.exporting import by_csv, by_lines, whole
from tests.server import key_of_demo, serving, usergraph
from tests.service import SECRET, Service

DOCS = Path(__file__).parents[1] / "docs" / "exports.md"
UPSERT = """mutation ($input: UpsertUsersInput!) { upsertUsers(input: $input) {
    summary { created } results { user { id } errors { code message path } } errors { code message } } }"""
INVITE = """mutation ($input: InviteUsersInput!) { inviteUsers(input: $input) {
    results { user { id } errors { code message path } } errors { code message } } }"""
DELETE = "mutation ($ids: [ID!]!) { deleteUsers(input: { ids: $ids }) { results { action errors { code message } } } }"
TEXTS = (
    *(
        "plain",
        "Ärger 日本",
        "a|b",
        "back\\slash",
        "back\\",
        "\\|",
        "x=y",
        "a=b|c=d\\",
        'say "hi", you',
        "=1+1",
        "+49 30",
    ),
    *("-5", "@cmd", "'quoted'", "semi;colon", "\U0001f600", "http://x.test/", "O'Neil", "a/b", "<b>&amp;", "＝full"),
)
IDS = ("00017", "4711", "007", "12345678901234567890", "E-12", "1e5", "3-4", "MAR1", "0x1F", "true", "2026-03", "1/2")
ORGANIZATIONS = {  # by the name that the upsert takes
    "Acme": "organization_2",
    "Acme East": "organization_3",
    "Other": "organization_5",
}


def documented() -> tuple[str, list[str]]:
    """The query and the commands of the documentation."""
    section = DOCS.read_text(encoding="utf-8").split("## Exports that are imported again")[1]
    (block,) = re.findall(r"^```bash\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)[:1]
    (query,) = re.findall(r"'query=(.*?)'", block, re.DOTALL)
    return " ".join(query.split()), re.findall(r"^usergraph .*$", block, re.MULTILINE)


QUERY, COMMANDS = documented()


def person(dice: random.Random, number: int, texts: tuple[str, ...], ids: tuple[str, ...]) -> dict[str, Any]:
    """A row for the upsert, of valid values that are hard to keep."""

    def some(values: tuple[str, ...], most: int) -> list[str]:
        return dice.sample(values, dice.randint(0, most))

    def maybe(value: Any) -> Any:
        return value if dice.random() < 0.7 else None

    def whole_texts(values: list[str]) -> list[str]:
        """The upsert takes `|` for a mark between values unless it is escaped."""
        return [re.sub(r"(\\*)\|", lambda mark: mark[1] * 2 + "\\|", value) for value in values]

    row = {
        "email": f"p{number}@{dice.choice(['one', 'TWO'])}.example",
        "username": maybe(f"p{number}{dice.choice(texts)}".replace(" ", "_")),
        "name": maybe(dice.choice(texts)),
        "firstName": maybe(dice.choice(texts)),
        "lastName": maybe(dice.choice(texts)),
        "externalId": maybe(ids[number] if number < len(ids) else f"{dice.choice(ids)}{number}"),
        "externalIds": [
            {"source": source, "value": f"{dice.choice(ids)}{number}"}
            for source in dice.sample(["hr", "crm = 2|3", "pay\\"], dice.randint(0, 3))
        ],
        "role": {"name": dice.choice(["IT", "Project manager", "Normal user", "Read only"])},
        "tags": whole_texts(some(texts, 3)),
        "aliases": whole_texts([f"{number} {text}" for text in some(texts, 2)]),
        "variables": [{"name": name, "value": dice.choice(texts)} for name in some(texts, 2)],
        "groups": [text for text in some(texts, 2) if "|" not in text],
        "organizationIds": dice.sample(list(ORGANIZATIONS.values()), dice.randint(0, 2)),
        "isActive": dice.random() < 0.7,
        "canCreateProjectsInRoot": dice.random() < 0.5,
        "authentication": dice.choice(
            [
                None,
                {"apiOnly": True},
                {"saml": {}},
                {"ldap": {"serverNumber": 1, "loginDn": f"cn=p{number},dc=x"}},
                {"saml": {"provisionedBy": {"serverNumber": 1, "loginDn": f"cn=p{number},dc=x"}}},
            ]
        ),
    }
    return {name: value for name, value in row.items() if value is not None}


async def filled(service: Service, seed: int, texts: tuple[str, ...] = TEXTS, ids: tuple[str, ...] = IDS) -> list[str]:
    """Ids of new users, some invited, in a tree with names that are hard to write as a path."""
    for name in ("Sales / EMEA", "back\\slash", "Acme East"):
        made = await service.data(
            'mutation ($name: String!) { createOrganization(input: { name: $name, parentId: "organization_5" })'
            " { organization { id } errors { code } } }",
            {"name": name},
        )
        ORGANIZATIONS[f"Other {name}"] = made["createOrganization"]["organization"]["id"]
    dice = random.Random(seed)
    rows = [person(dice, number, texts, ids) for number in range(30)]
    answer = await service.data(UPSERT, {"input": {"users": rows, "createMissingGroups": True}})
    assert [result["errors"] for result in answer["upsertUsers"]["results"]] == [[]] * len(rows), answer
    names = ("email", "name", "role", "organizationIds")
    invited = [{n: v for n, v in person(dice, 90 + n, texts, ids).items() if n in names} for n in range(4)]
    more = await service.data(INVITE, {"input": {"users": invited}})
    assert [result["errors"] for result in more["inviteUsers"]["results"]] == [[]] * 4, more
    results = [*answer["upsertUsers"]["results"], *more["inviteUsers"]["results"]]
    return [result["user"]["id"] for result in results]


async def imported(service: Service, path: Path) -> Any:
    settings = {"database_url": service.database.url, "secret_key": SECRET}
    return await asyncio.to_thread(usergraph, path.parent, "import", path.name, **settings)


async def delete(service: Service, ids: list[str]) -> None:
    answer = await service.data(DELETE, {"ids": ids})
    assert {result["action"] for result in answer["deleteUsers"]["results"]} == {"DELETED"}


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("format", ["csv", "ndjson"])
async def test_an_export_makes_the_same_users_again(service: Service, tmp_path: Path, format: str, seed: int) -> None:
    made = await filled(service, seed)
    content = await whole(service, QUERY, format)
    path = tmp_path / f"users.{format}"
    path.write_bytes(content)
    done = await imported(service, path)
    total = len(by_csv(content) if format == "csv" else by_lines(content))
    assert await whole(service, QUERY, format) == content
    assert (done.returncode, done.stdout) == (0, f"0 created, 0 updated, {total} unchanged, 0 refused\n"), done.stderr
    await delete(service, made)
    done = await imported(service, path)
    said = f"{len(made)} created, 0 updated, {total - len(made)} unchanged, 0 refused\n"
    assert (done.returncode, done.stdout) == (0, said), done.stderr
    assert await whole(service, QUERY, format) == content


async def test_an_export_edited_in_a_spreadsheet_as_xlsx_makes_the_same_users(service: Service, tmp_path: Path) -> None:
    made = await filled(service, 3)
    before = await whole(service, QUERY, "ndjson")
    (tmp_path / "users.xlsx").write_bytes(await whole(service, QUERY, "xlsx"))
    opened = await asyncio.to_thread(libreoffice.convert, tmp_path / "users.xlsx", "ods", tmp_path / "first")
    path = await asyncio.to_thread(libreoffice.convert, opened, libreoffice.CSV, tmp_path / "second")
    await delete(service, made)
    done = await imported(service, path)
    assert (done.returncode, done.stdout.split(",")[0]) == (0, f"{len(made)} created"), done.stderr
    assert await whole(service, QUERY, "ndjson") == before


@pytest.mark.parametrize("read_as", [libreoffice.AS_UTF_8, None], ids=["UTF-8", "Windows-1252"])
async def test_a_csv_that_a_spreadsheet_rewrote_changes_nothing_in_silence(
    service: Service, tmp_path: Path, read_as: str | None
) -> None:
    await filled(service, 4, (*IDS, *TEXTS))
    before = await whole(service, QUERY, "ndjson")
    (tmp_path / "users.csv").write_bytes(await whole(service, QUERY, "csv"))
    convert = partial(libreoffice.convert, read_as=read_as)
    opened = await asyncio.to_thread(convert, tmp_path / "users.csv", "xlsx", tmp_path / "first")
    path = await asyncio.to_thread(libreoffice.convert, opened, libreoffice.CSV, tmp_path / "second")
    rewritten = by_csv(path.read_bytes())
    assert rewritten != by_csv((tmp_path / "users.csv").read_bytes())
    done = await imported(service, path)
    refused = by_csv(path.with_name("users.refused.csv").read_bytes())
    assert (done.returncode, done.stdout.split(", ")[:2]) == (3, ["0 created", "0 updated"]), done.stderr
    assert refused
    assert all("spreadsheet" in row["error"] for row in refused)
    assert await whole(service, QUERY, "ndjson") == before


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("1.2E+19", "which a spreadsheet made of a longer number"),
        ("1,23457E+15", "which a spreadsheet made of a longer number"),
        ("4711.0", "made of a whole number"),
        ("12345678901234500000", "whose last digits a spreadsheet has replaced"),
        ("#NAME?", "which a spreadsheet shows in place of a value"),
        ("########", "which a spreadsheet shows in place of a value"),
        ("17", "is '00017' as a spreadsheet has rewritten it"),
    ],
)
@pytest.mark.parametrize("column", ["externalId", "aliases", "username"])
async def test_an_id_that_a_spreadsheet_rewrote_is_refused(
    service: Service, tmp_path: Path, column: str, written: str, said: str
) -> None:
    row: dict[str, Any] = {"email": "ida@acme.example", "username": "ida", "externalId": "e", column: "00017"}
    row["aliases"] = [row["aliases"]] if "aliases" in row else []
    await service.data(UPSERT, {"input": {"users": [row]}})
    before = await whole(service, QUERY, "ndjson")
    (tmp_path / "users.csv").write_text(f'email,{column}\nida@acme.example,"{written}"\n')
    done = await imported(service, tmp_path / "users.csv")
    assert (done.returncode, done.stdout) == (3, "0 created, 0 updated, 0 unchanged, 1 refused\n")
    assert said in done.stderr
    assert await whole(service, QUERY, "ndjson") == before


async def test_ids_that_lost_their_zeros_show_beside_the_others(service: Service, tmp_path: Path) -> None:
    lines = [f"p{n}@acme.example,{external}" for n, external in enumerate(("00017", "00018", "19", "00020", "99999"))]
    path = tmp_path / "users.csv"
    path.write_text("\n".join(["email,externalId", *lines]))
    done = await imported(service, path)
    assert (done.returncode, done.stdout) == (3, "4 created, 0 updated, 0 unchanged, 1 refused\n"), done.stderr
    assert "column 'externalId' holds '19' where the others have 5 digits and begin with a zero" in done.stderr
    settings = {"database_url": service.database.url, "secret_key": SECRET}
    mapped = ("import", "users.csv", "--map", "externalId=external_id")
    done = await asyncio.to_thread(usergraph, tmp_path, *mapped, **settings)
    assert (done.returncode, done.stdout) == (0, "1 created, 0 updated, 4 unchanged, 0 refused\n"), done.stderr


def test_the_documented_commands_bring_a_demo_directory_back(tmp_path: Path) -> None:
    block = re.findall(r"^```bash\n(.*?)^```$", DOCS.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    script = next(each for each in block if "usergraph import users.csv" in each)
    with serving(tmp_path) as address:
        curl = script.split("usergraph")[0].replace("http://127.0.0.1:8000", address)
        subprocess.run(
            ["bash", "-euo", "pipefail", "-c", curl],
            cwd=tmp_path,
            env={"PATH": "/usr/bin:/bin", "KEY": key_of_demo()},
            check=True,
            capture_output=True,
            timeout=60,
        )
    assert len(by_csv((tmp_path / "users.csv").read_bytes())) > 100
    assert len(COMMANDS) == 2
    for command in COMMANDS:
        done = usergraph(tmp_path, *command.split()[1:])
        assert (done.returncode, " 0 updated" in done.stdout, " 0 refused" in done.stdout) == (0, True, True), (
            done.stderr
        )
        assert "0 created" in done.stdout
