"""The values of errors, by which a frontend writes messages of its own, and how messages name rows."""

from typing import Any

import pytest

from models import errors
from tests.service import Service

UPSERT = """mutation($users: [UpsertUserInput!]!) { upsertUsers(input: {users: $users, errorPolicy: REJECT_FAILED}) {
  errors { code values } results { errors { code message index values } } } }"""


async def refusals(service: Service, rows: list[dict[str, Any]], who: str = "admin") -> list[list[dict[str, Any]]]:
    answer = await service.data(UPSERT, {"users": rows}, who=who)
    return [each["errors"] for each in answer["upsertUsers"]["results"]]


async def test_a_duplicate_names_the_first_row_from_one_with_its_reference(service: Service) -> None:
    rows = [{"email": "other@x.test"}, {"email": "a@x.test", "ref": "line-7"}, {"email": "a@x.test", "ref": "line-8"}]
    (error,) = (await refusals(service, rows))[2]
    assert (error["code"], error["index"]) == ("DUPLICATE", 2)
    assert "first in row 2 (line-7)" in error["message"]
    assert error["values"] == {"what": "This email", "first": "row 2 (line-7)"}


async def test_a_duplicate_without_reference_names_the_row_alone(service: Service) -> None:
    document = """mutation { deactivateUsers(input: {ids: ["user_9", "user_8", "user_9"]}) {
      results { errors { code message } } } }"""
    results = (await service.data(document))["deactivateUsers"]["results"]
    assert results[2]["errors"][0]["message"] == "This user is sent twice, first in row 1. Send it once."


async def test_a_refusal_carries_the_numbers_of_its_message(service: Service) -> None:
    (error,) = (await refusals(service, [{"email": "a@x.test", "role": {"name": "Admin"}}], who="it"))[0]
    assert error["code"] == "ROLE_TOO_HEAVY"
    assert error["values"] == {"name": "Admin", "weight": 100, "own": 80}
    (error,) = (await refusals(service, [{"email": "a@x.test", "name": "n" * 300}]))[0]
    assert (error["code"], error["values"]) == ("INVALID", {"limit": 255})
    (error,) = (await refusals(service, [{"email": "a@x.test", "tags": [str(n) for n in range(101)]}]))[0]
    assert (error["code"], error["values"]) == ("INVALID", {"limit": 100})


async def test_a_weak_password_says_how_long_it_has_to_be(service: Service) -> None:
    given = 'id: "user_9", newPassword: "short"'
    document = f"mutation {{ changePassword(input: {{{given}}}) {{ errors {{ code values }} }} }}"
    answer = (await service.data(document))["changePassword"]
    assert answer == {"errors": [{"code": "WEAK_PASSWORD", "values": {"minimum": 15}}]}


async def test_a_top_level_refusal_carries_its_values_too(service: Service) -> None:
    body = await service.ask('{ users(asOf: "2020-01-01T00:00:00Z") { totalCount } }', who="normal")
    extensions = body["errors"][0]["extensions"]
    assert extensions["code"] == "FORBIDDEN"
    body = await service.ask("{ userReport(first: 20000) { rows } }")
    assert body["errors"][0]["extensions"] == {
        "code": "INVALID",
        "argument": ["first"],
        "values": {"minimum": 0, "limit": 10_000},
    }


@pytest.mark.parametrize("refusal", errors.Refusal.__subclasses__(), ids=lambda each: each.__name__)
def test_no_template_has_a_value_that_is_a_sentence_and_no_reason(refusal: type[errors.Refusal]) -> None:
    """A message is a template and values; what is a sentence of its own is known by its name."""
    names = {part.partition("}")[0] for part in refusal.template.split("{")[1:]}
    assert names <= errors.SENTENCES | VALUES


VALUES = {"by", "ceiling", "count", "first", "how", "key", "kind", "limit", "name", "own", "right", "rights", "value"}
VALUES |= {"fields", "id", "minutes", "number", "owner", "stable", "weight", "what"}
