"""`where`, `search` and `orderBy` over users, against the same questions asked in plain Python."""

import random
from collections.abc import Iterator
from typing import Any

import pytest

from models.values import key
from tests.oracle import USER, joined
from tests.people import Person, people, store
from tests.service import Service
from tests.where_cases import CASES, TIMES

WHERE = """query ($where: UserWhere, $search: String, $orderBy: [UserOrder!]) {
  users(first: 100, where: $where, search: $search, orderBy: $orderBy) { totalCount nodes { id } } }"""
OURS = {"username": {"startsWith": "F"}}


@pytest.fixture
async def known(service: Service) -> list[Person]:
    made = people()
    await service.database.transaction(lambda tx: store(tx, made))
    return made


async def check(service: Service, known: list[Person], where: dict[str, Any]) -> int:
    asked = {"and": [OURS, where]}
    answer = (await service.data(WHERE, {"where": asked}))["users"]
    expected = [f"user_{p.id}" for p in known if joined(p, where, USER)]
    assert [node["id"] for node in answer["nodes"]] == expected, where
    assert answer["totalCount"] == len(expected), where
    return len(expected)


async def test_every_operator_of_every_field_answers_as_plain_python_does(
    service: Service, known: list[Person]
) -> None:
    for name, conditions in CASES.items():
        sizes = {await check(service, known, {name: condition}) for condition in conditions}
        assert sizes - {0, len(known)}, f"no case of {name} tells two users apart"


async def test_every_operator_of_every_field_has_a_case(service: Service) -> None:
    """What the schema offers and no case above uses fails here."""
    query = """{ __schema { types { name kind inputFields { name type { name ofType { name ofType { name ofType { name
      } } } } } } } }"""
    types = {each["name"]: each for each in (await service.data(query))["__schema"]["types"]}

    def named(type_: dict[str, Any]) -> str:
        return str(type_["name"] or named(type_["ofType"]))

    offered: set[tuple[str, str]] = set()
    used: set[tuple[str, str]] = set()
    WALKED = {"UserWhere"}

    def walk(type_name: str, given: Any) -> None:
        for each in given if isinstance(given, list) else [given]:
            if not isinstance(each, dict):
                return
            WALKED.add(type_name)
            for field in types[type_name]["inputFields"]:
                if field["name"] in each:
                    used.add((type_name, field["name"]))
                    walk(named(field["type"]), each[field["name"]])

    for name, conditions in CASES.items():
        for condition in conditions:
            walk("UserWhere", {name: condition})
    for where in [*combined(), *LOGIC]:
        walk("UserWhere", where)
    for type_name in WALKED:
        offered |= {(type_name, field["name"]) for field in types[type_name]["inputFields"]}
    indirect = {"and", "or", "not"}
    assert {pair for pair in offered - used if pair[1] not in indirect} == set()


LOGIC: list[dict[str, Any]] = [
    {},
    {"not": {}},
    {"and": []},
    {"or": []},
    {"or": [{}]},
    {"not": {"not": {"externalId": {"eq": "Ext-1"}}}},
    {"not": {"externalId": {"contains": "Ext"}}},
    {"not": {"lastLoginAt": {"after": TIMES[1].isoformat()}}},
    {"not": {"or": [{"lastLoginAt": {"after": TIMES[1].isoformat()}}, {"externalId": {"isNull": True}}]}},
    {"not": {"and": [{"externalId": {"eq": "Ext-1"}}, {"state": {"eq": "ACTIVE"}}]}},
    {"not": {"createdBy": {"username": {"eq": "admin"}}}},
    {"or": [{"createdBy": {"username": {"eq": "it"}}}, {"not": {"identityProvider": {}}}]},
    {"not": {"groups": {"none": {"name": {"eq": "web work"}}}}},
    {"and": [{"tags": {"some": {"eq": "vip"}}}, {"tags": {"none": {"eq": "north"}}}], "isActive": {"eq": True}},
    {"username": {"startsWith": "f1", "endsWith": "e", "ne": "x"}},
    {"lastLoginAt": {"after": TIMES[0].isoformat(), "notAfter": TIMES[2].isoformat()}},
]


def combined() -> Iterator[dict[str, Any]]:
    """Trees of the cases above; the same ones every time."""
    dice = random.Random(3)

    def leaf() -> dict[str, Any]:
        name = dice.choice(list(CASES))
        return {name: dice.choice(CASES[name])}

    def tree(depth: int) -> dict[str, Any]:
        if depth == 0:
            return leaf()
        made = leaf() if dice.random() < 0.4 else {}
        for joint in dice.sample(["and", "or", "not"], dice.randint(1, 2)):
            parts = [tree(depth - 1) for _ in range(dice.randint(1, 2))]
            made[joint] = parts[0] if joint == "not" else parts
        return made

    for _ in range(120):
        yield tree(dice.randint(1, 3))


async def test_and_or_and_not_join_conditions_and_never_lose_absent_values(
    service: Service, known: list[Person]
) -> None:
    for where in [*LOGIC, *combined()]:
        await check(service, known, where)


async def test_a_condition_without_a_value_is_refused(service: Service) -> None:
    for where in (
        {"name": {"eq": None}},
        {"tags": {"some": None}},
        {"createdAt": {"isNull": None}},
        {"not": {"role": {"weight": {"gt": None}}}},
    ):
        assert await service.codes(WHERE, {"where": where}) == ["INVALID"], where
    absent = await service.data(WHERE, {"where": {"name": None, "username": {"eq": "it"}}})
    assert absent["users"] == {"totalCount": 1, "nodes": [{"id": "user_2"}]}
    too_many = {"or": [{"name": {"eq": str(n)}} for n in range(150)]}
    assert await service.codes(WHERE, {"where": too_many}) == ["INVALID"]


async def test_every_word_of_a_search_stands_in_name_username_email_or_alias(
    service: Service, known: list[Person]
) -> None:
    for words in (
        "ann",
        "LEE ann",
        "e\u0301mile F1",
        "jo_1",
        "AE-4 two",
        "100%",
        "_",
        "O'N",
        "bo\\",
        "\u5c71",
        "lee zola",
        " ",
    ):
        expected = []
        for p in known:
            texts = [key(each) for each in (p.row["name"], p.row["username"], p.row["email"], *p.aliases)]
            if all(any(word in each for each in texts) for word in key(words).split(" ")):
                expected.append(f"user_{p.id}")
        for search in (words, words.upper()):
            answer = (await service.data(WHERE, {"where": OURS, "search": search}))["users"]
            assert [node["id"] for node in answer["nodes"]] == expected, words
            assert answer["totalCount"] == len(expected)
