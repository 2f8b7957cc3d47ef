"""A CSV that was exported is imported again: what spreadsheets need of it changes nothing."""

import asyncio
from pathlib import Path
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from models.lists import separated, together
from tests.exporting import HARD, by_csv, whole
from tests.server import usergraph
from tests.service import SECRET, Service

QUERY = """{ users { nodes { email username name firstName lastName externalId role { name } isActive tags aliases
    groups { nodes { name } } } } }"""
STORABLE = [text for text in HARD if text.strip() == text and not {"\r", "\n", "\t"} & set(text)]


async def filled(service: Service) -> None:
    for number, text in enumerate(STORABLE):
        user = f"user_{number % 5 + 3}"
        made = await service.data(
            "mutation ($name: String!, $user: ID!) { createGroup(input: {name: $name}) { group { id } errors { code } }"
            " updateUser(input: {id: $user, firstName: $name, name: $name}) { errors { code message } } }",
            {"name": text, "user": user},
        )
        group = made["createGroup"]["group"]["id"]
        await service.data(
            "mutation ($input: AddGroupMembersInput!) { addGroupMembers(input: $input) { errors { code } } }",
            {"input": {"id": group, "userIds": [user]}},
        )
    tags: list[Any] = [text for text in STORABLE if "|" not in text]
    found = await service.data(
        'mutation ($tags: [String!]) { updateUser(input: {id: "user_3", setTags: $tags, setAliases: $tags})'
        " { errors { code message } } }",
        {"tags": tags},
    )
    assert found == {"updateUser": {"errors": []}}


async def test_an_export_is_imported_again(service: Service, tmp_path: Path) -> None:
    await filled(service)
    content = await whole(service, QUERY, "csv")
    (tmp_path / "people.csv").write_bytes(content)
    for sql in (
        "UPDATE users SET name = 'Nobody', name_key = 'nobody', first_name = NULL, first_name_key = NULL",
        "DELETE FROM user_tags",
        "DELETE FROM user_aliases",
        "DELETE FROM group_members",
    ):
        await service.write(sql)
    assert await whole(service, QUERY, "csv") != content
    done = await asyncio.to_thread(
        usergraph, tmp_path, "import", "people.csv", database_url=service.database.url, secret_key=SECRET
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert by_csv(await whole(service, QUERY, "csv")) == by_csv(content)


@given(st.lists(st.text("a|\\=", min_size=1, max_size=6), min_size=1, max_size=5))
@example(["a\\", "\\|", "|", "\\\\"])
def test_marks_and_backslashes_in_a_list_come_back(texts: list[str]) -> None:
    assert separated(together(texts)) == texts
