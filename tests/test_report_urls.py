"""`GET /reports/NAME`: a saved report by its URL, as a tool with a key asks for it, with the rights of that key."""

import base64
import csv
import io
import json
from typing import Any

import httpx
import pyarrow
import pytest
from openpyxl import load_workbook
from pyarrow import parquet

from tests.saved_reports import SINCE, WHO_THERE_IS, saved, update
from tests.service import Service, key_of

USERS = "query Users($first: Int) { users(first: $first, orderBy: [{field: ID}]) { nodes { id name } } }"


async def get(service: Service, path: str, who: str | None = "admin", **headers: str) -> httpx.Response:
    keys = {"x-apikey": key_of(who)} if who else {}
    return await service.client.get(f"/reports/{path}", headers={**keys, **headers})


def refused(answer: httpx.Response) -> tuple[int, str]:
    (error,) = answer.json()["errors"]
    return answer.status_code, error["extensions"]["code"]


async def test_a_report_answers_json_to_who_says_nothing_else(service: Service) -> None:
    await saved(service, "Who-There-Is")
    answer = await get(service, "who-there-is")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json; charset=utf-8")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json()["data"] == await service.data(WHO_THERE_IS)
    newer = await get(service, "who-there-is", accept="application/graphql-response+json")
    assert newer.headers["content-type"] == "application/graphql-response+json; charset=utf-8"
    browser = await get(service, "who-there-is", accept="text/html,application/xhtml+xml,*/*;q=0.8")
    assert browser.json()["data"] == answer.json()["data"]
    assert (await get(service, "who-there-is?format=json", accept="text/csv")).json()["data"] == answer.json()["data"]


async def test_a_report_runs_with_the_rights_of_who_runs_it_and_never_of_its_owner(service: Service) -> None:
    await saved(service, "all", sharedWith=[{"name": "IT"}, {"name": "Normal user"}, {"name": "Project manager"}])
    for who in ("admin", "it", "normal", "orgadmin", "pm"):
        answer = await get(service, "all", who)
        assert answer.json()["data"] == await service.data(WHO_THERE_IS, who=who), who
        assert answer.json()["data"]["viewer"] == {"user": {"username": who}}
    everything = "{ users { nodes { id email } } }"
    await saved(service, "whole", document=everything, sharedWith=[{"name": "Normal user"}, {"name": "IT"}])
    assert len((await get(service, "whole", "it")).json()["data"]["users"]["nodes"]) == 9
    for path in ("whole", "whole?format=csv"):
        answer = await get(service, path, "normal")
        assert refused(answer) == (403, "FORBIDDEN")
        assert answer.json()["errors"][0]["extensions"]["fields"] == ["User.email"]
    # In Acme the organization's administrator reads users whole, and elsewhere none.
    seen = {node["id"] for node in (await get(service, "whole", "orgadmin")).json()["data"]["users"]["nodes"]}
    assert seen == {node["id"] for node in (await service.data(everything, who="orgadmin"))["users"]["nodes"]}
    assert len(seen) < 9


async def test_a_key_is_sent_in_each_of_the_ways_that_graphql_takes(service: Service) -> None:
    await saved(service, "mine", who="pm")
    basic = base64.b64encode(f"anything:{key_of('pm')}".encode()).decode()
    for headers in (
        {"x-apikey": key_of("pm")},
        {"authorization": f"Bearer {key_of('pm')}"},
        {"authorization": f"Basic {basic}"},
    ):
        answer = await service.client.get("/reports/mine", headers=headers)
        assert answer.json()["data"]["viewer"] == {"user": {"username": "pm"}}
    for headers in ({}, {"x-apikey": "ug_wrong"}, {"authorization": "Basic eDp5"}):
        answer = await service.client.get("/reports/mine", headers=headers)
        assert refused(answer) == (401, "UNAUTHENTICATED")
    assert refused(await service.client.get(f"/reports/mine?apikey={key_of('pm')}")) == (401, "UNAUTHENTICATED")


async def test_what_one_may_not_see_is_not_there(service: Service) -> None:
    await saved(service, "mine", who="pm")
    for who in ("it", "normal", "orgadmin"):
        for path in ("mine", "mine?format=csv", "nothing", "mi%00ne", "%ff", "m%C3%AFne"):
            assert refused(await get(service, path, who)) == (404, "NOT_FOUND")
    assert refused(await get(service, "mine", "readonly")) == (403, "FORBIDDEN")
    assert (await get(service, "mine", "admin")).status_code == 200


async def test_a_renamed_report_is_where_its_new_name_says(service: Service) -> None:
    report = await saved(service, "old")
    await update(service, report, name="new")
    assert refused(await get(service, "old")) == (404, "NOT_FOUND")
    assert (await get(service, "new")).status_code == 200


async def test_variables_are_parameters_of_their_declared_types(service: Service) -> None:
    await saved(service, "since", document=SINCE, variables={"since": "-P3650D"})
    ids = [node["id"] for node in (await get(service, "since")).json()["data"]["users"]["nodes"]]
    assert ids == ["user_1", "user_2", "user_3"]
    for query, wanted in {
        "first=2": ids[:2],
        "first=1&states=ACTIVE&states=INVITED": ids[:1],
        'states=["DEACTIVATED"]': [],
        "name=IT": ["user_2"],
        "name=": ids,
        "since=2099-01-01T00:00:00Z": [],
        "since=2099-01-01T00:00:00%2B02:00": [],
        "since=2099-01-01T00:00:00+02:00": [],
        "since=-PT0H": [],
    }.items():
        answer = await get(service, f"since?{query}")
        assert [node["id"] for node in answer.json()["data"]["users"]["nodes"]] == wanted, query


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("sinc=2020-01-01T00:00:00Z", "no variable sinc. It takes first, name, since, states."),
        ("first=two", "Int"),
        ("first=1&first=2", "twice"),
        ("states=LOST", "UserState"),
        ("since=yesterday", "DateTime"),
        ("since=", "since"),
        ("name=a%00b", "NUL"),
    ],
)
async def test_parameters_that_no_variable_can_have_are_refused_by_name(
    service: Service, query: str, said: str
) -> None:
    await saved(service, "since", document=SINCE, variables={"since": "-P1D"})
    for path in (f"since?{query}", f"since?{query}&format=csv"):
        answer = await get(service, path)
        assert answer.status_code == 400
        assert said in answer.json()["errors"][0]["message"]


async def test_a_variable_that_has_no_value_is_asked_for(service: Service) -> None:
    await saved(service, "since", document=SINCE)
    answer = await get(service, "since")
    assert refused(answer) == (400, "BAD_USER_INPUT")
    assert "$since" in answer.json()["errors"][0]["message"]


def rows_of(format: str, content: bytes) -> list[dict[str, Any]]:
    if format == "csv":
        return list(csv.DictReader(io.StringIO(content.decode())))
    if format == "ndjson":
        return [json.loads(line) for line in content.splitlines()]
    if format == "arrow":
        return list(pyarrow.ipc.open_stream(content).read_all().to_pylist())
    if format == "parquet":
        return list(parquet.read_table(io.BytesIO(content)).to_pylist())
    sheet = load_workbook(io.BytesIO(content)).active
    assert sheet is not None
    head, *rows = sheet.iter_rows(values_only=True)
    return [dict(zip(map(str, head), row, strict=True)) for row in rows]


MEDIA = {
    "csv": "text/csv",
    "ndjson": "application/x-ndjson",
    "arrow": "application/vnd.apache.arrow.stream",
    "parquet": "application/vnd.apache.parquet",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


@pytest.mark.parametrize("format", MEDIA)
async def test_a_report_comes_as_whatever_file_is_asked_for(service: Service, format: str) -> None:
    await saved(service, "people", document=USERS)
    wanted = (await service.data(USERS))["users"]["nodes"]
    by_name = await get(service, f"people?format={format}")
    by_media = await get(service, "people", accept=MEDIA[format])
    for answer in (by_name, by_media):
        assert answer.status_code == 200
        assert answer.headers["content-type"].split(";")[0] == MEDIA[format]
        assert rows_of(format, answer.content) == wanted
    assert rows_of(format, (await get(service, f"people?format={format}&first=2")).content) == wanted[:2]


async def test_a_format_that_is_none_is_refused(service: Service) -> None:
    await saved(service, "people", document=USERS)
    answer = await get(service, "people?format=pdf")
    assert refused(answer) == (406, "NOT_ACCEPTABLE")
    assert "csv" in answer.json()["errors"][0]["message"]


async def test_a_url_only_reads(service: Service) -> None:
    await saved(service, "people", document=USERS)
    before = await service.snapshot()
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        answer = await service.client.request(method, "/reports/people", headers={"x-apikey": key_of("admin")})
        assert answer.status_code == 405
    # Whatever stands in the row, what changes something does not run.
    change = 'mutation { createGroup(input: {name: "Made"}) { group { id } } }'
    await service.write("UPDATE saved_reports SET document = $1 WHERE name = 'people'", change)
    assert refused(await get(service, "people")) == (400, "BAD_USER_INPUT")
    await service.write("UPDATE saved_reports SET document = $1 WHERE name = 'people'", USERS)
    assert await service.snapshot() == before


async def test_a_document_that_the_schema_does_not_understand_any_more_says_so(service: Service) -> None:
    await saved(service, "people", document=USERS)
    await service.write("UPDATE saved_reports SET document = '{ userz { id } }' WHERE name = 'people'")
    for path in ("people", "people?format=csv"):
        assert refused(await get(service, path)) == (400, "GRAPHQL_VALIDATION_FAILED")


async def test_a_session_that_must_set_a_second_factor_up_runs_nothing(service: Service) -> None:
    await service.write("UPDATE roles SET requires_second_factor = true WHERE name = 'Normal user'")
    sign_in = (
        'mutation { signIn(input: {username: "member", password: "plum violin harbour 41"}) { session { token } } }'
    )
    token = (await service.data(sign_in, who=None))["signIn"]["session"]["token"]
    answer = await service.client.get("/reports/posture", headers={"authorization": f"Bearer {token}"})
    assert refused(answer) == (403, "SECOND_FACTOR_REQUIRED")


async def test_runs_are_counted_and_told_with_their_request(service: Service) -> None:
    await saved(service, "people", document=USERS)
    answer = await get(service, "people")
    assert len(answer.headers["x-request-id"]) == 16
    told = (await service.client.get("/metrics")).text.splitlines()
    assert 'usergraph_requests_total{operation="Users",outcome="ok"} 1.0' in told
    assert (await get(service, "a" * 300)).status_code == 404
    assert refused(await get(service, f"people?first={'9' * 64_100}")) == (400, "BAD_REQUEST")
