"""Running a saved report by its name at `/graphql`, where `documentId` stands for the query."""

from typing import Any

import httpx
import pytest

from tests.saved_reports import SINCE, WHO_THERE_IS, saved
from tests.service import Service, key_of

USERS = "query Users($first: Int) { users(first: $first, orderBy: [{field: ID}]) { nodes { id name } } }"


async def post(service: Service, who: str | None = "admin", path: str = "/graphql", **body: Any) -> httpx.Response:
    headers = {"x-apikey": key_of(who)} if who else {}
    return await service.client.post(path, json=body, headers=headers)


async def test_a_report_runs_by_its_name_with_the_rights_of_who_asks(service: Service) -> None:
    await saved(service, "Who-There-Is", sharedWith=[{"name": "Normal user"}])
    for who in ("admin", "normal"):
        for _ in range(2):
            answer = await post(service, who, documentId="who-there-is")
            assert answer.status_code == 200
            assert answer.json()["data"] == await service.data(WHO_THERE_IS, who=who)
    given = {"documentId": "who-there-is"}
    by_get = await service.client.get("/graphql", params=given, headers={"x-apikey": key_of("normal")})
    assert by_get.json()["data"] == await service.data(WHO_THERE_IS, who="normal")


async def test_variables_take_the_place_of_those_that_are_kept(service: Service) -> None:
    await saved(service, "some", document=USERS, variables={"first": 2})
    for variables, count in (({}, 2), ({"first": 5}, 5)):
        answer = await post(service, documentId="some", variables=variables)
        assert len(answer.json()["data"]["users"]["nodes"]) == count
    await saved(service, "since", document=SINCE, variables={"since": "-P1D"})
    answer = await post(service, documentId="since", variables={"since": "-P36500D", "states": ["ACTIVE"], "first": 1})
    assert len(answer.json()["data"]["users"]["nodes"]) == 1
    (error,) = (await post(service, documentId="some", variables={"first": "many"})).json()["errors"]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"


async def test_a_report_is_a_file_by_its_name(service: Service) -> None:
    await saved(service, "some", document=USERS)
    answer = await post(service, path="/graphql?format=csv", documentId="some", variables={"first": 3})
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert len(answer.text.splitlines()) == 4


@pytest.mark.parametrize(
    ("who", "body", "code"),
    [
        ("admin", {"documentId": "nothing"}, "NOT_FOUND"),
        ("normal", {"documentId": "mine"}, "NOT_FOUND"),
        ("admin", {"documentId": "../mine"}, "NOT_FOUND"),
        ("readonly", {"documentId": "posture"}, "FORBIDDEN"),
        (None, {"documentId": "posture"}, "UNAUTHENTICATED"),
        ("admin", {"documentId": 5}, "BAD_REQUEST"),
        ("admin", {"documentId": "mine", "query": "{ me { id } }"}, "BAD_REQUEST"),
        ("admin", {"documentId": "mi\x00ne"}, "BAD_REQUEST"),
    ],
)
async def test_what_cannot_be_run_is_refused(
    service: Service, who: str | None, body: dict[str, Any], code: str
) -> None:
    await saved(service, "mine")
    before = await service.snapshot()
    answer = await post(service, who, **body)
    assert answer.json()["errors"][0]["extensions"]["code"] == code
    assert answer.json().get("data") is None
    assert await service.snapshot() == before
