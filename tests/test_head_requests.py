"""HEAD answers as GET does, without a body: exports, reports by their address, queries and what is refused."""

from typing import Any
from urllib.parse import quote

import pytest

from tests.saved_reports import saved
from tests.service import Service, key_of

QUERY = quote("query Users { users { nodes { id name } } }")
HEADERS = {"x-apikey": key_of("admin")}


async def both(service: Service, address: str, headers: dict[str, str] | None = None) -> tuple[Any, Any]:
    """What GET and HEAD answer."""
    got = await service.client.get(address, headers=HEADERS if headers is None else headers)
    head = await service.client.head(address, headers=HEADERS if headers is None else headers)
    return got, head


def without_id(headers: Any) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name != "x-request-id"}


@pytest.mark.parametrize("format", ["csv", "ndjson", "arrow", "parquet", "xlsx"])
async def test_head_of_an_export_has_the_headers_of_its_get_and_no_body(service: Service, format: str) -> None:
    got, head = await both(service, f"/graphql?format={format}&query={QUERY}")
    assert (got.status_code, head.status_code) == (200, 200)
    assert got.content
    assert head.content == b""
    assert without_id(head.headers) == without_id(got.headers)
    assert head.headers["content-disposition"].startswith('attachment; filename="Users.')
    # Nothing is held any more.
    assert (await service.client.head(f"/graphql?format={format}&query={QUERY}", headers=HEADERS)).status_code == 200


@pytest.mark.parametrize(
    ("address", "headers", "status"),
    [
        (f"/graphql?query={QUERY}", None, 200),
        (f"/graphql?format=csv&query={QUERY}", {}, 401),
        ("/graphql?format=csv&query=" + quote("{ me { id } }"), None, 400),
        ("/graphql?query=" + quote("{ nothing }"), None, 200),
        ("/graphql?query=" + quote('mutation { deleteGroup(input: {id: "group_1"}) { errors { code } } }'), None, 405),
        (f"/graphql?format=pdf&query={QUERY}", None, 406),
        ("/graphql", None, 400),
        ("/reports/who-is-there", None, 200),
        ("/reports/who-is-there?format=csv", None, 200),
        ("/reports/no-such-report?format=csv", None, 404),
        ("/odata/Users?$select=id,name&$top=2", None, 200),
    ],
)
async def test_head_of_anything_else_is_its_get_without_the_body(
    service: Service, address: str, headers: dict[str, str] | None, status: int
) -> None:
    await saved(service, "who-is-there", document="query Who { users { nodes { id name } } }")
    got, head = await both(service, address, headers)
    assert got.status_code == status, got.text
    assert head.status_code == status
    assert head.content == b""
    assert without_id(head.headers) == without_id(got.headers)
    assert await service.scalar("SELECT count(*) FROM groups WHERE id = 1") == 1


async def test_more_heads_than_there_are_places_for_exports_all_answer(service_with: Any) -> None:
    async with service_with(exports=1) as service:
        for _ in range(4):
            head = await service.client.head(f"/graphql?format=csv&query={QUERY}", headers=HEADERS)
            assert head.status_code == 200
