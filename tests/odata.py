"""The feed as a client asks for it: addresses with options, and pages followed by their links."""

from typing import Any

import httpx

from models.database import Transaction
from tests.people import people, store
from tests.service import Service, key_of


async def get(
    service: Service, path: str, *, who: str | None = "admin", headers: dict[str, str] | None = None, **options: Any
) -> httpx.Response:
    """GET an address of the feed; `filter="…"` is the option $filter."""
    keys = {"x-apikey": key_of(who)} if who else {}
    given = {f"${name}": str(value) for name, value in options.items()}
    address = path if path.startswith("http") else f"/odata/{path}"
    return await service.client.get(address, params=given or None, headers={**keys, **(headers or {})})


async def body(service: Service, path: str, **given: Any) -> Any:
    """The JSON of an answer that must be good."""
    answer = await get(service, path, **given)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def rows(service: Service, path: str, **given: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await body(service, path, **given))["value"]
    return found


async def ids(service: Service, path: str, **given: Any) -> list[str]:
    return [row["id"] for row in await rows(service, path, select="id", **given)]


async def walked(service: Service, path: str, *, who: str = "admin", prefer: int | None = None, **given: Any) -> Any:
    """All pages of a list, and how many they were."""
    headers = {"prefer": f"odata.maxpagesize={prefer}"} if prefer else {}
    page = await body(service, path, who=who, headers=headers, **given)
    found, pages = list(page["value"]), 1
    while "@odata.nextLink" in page:
        page = await body(service, page["@odata.nextLink"], who=who, headers=headers)
        found += page["value"]
        pages += 1
    return found, pages


async def refused(service: Service, path: str, **given: Any) -> tuple[int, str, str]:
    """Status, code and message of a refusal, whose whole form is checked."""
    answer = await get(service, path, **given)
    assert answer.headers["odata-version"] == "4.0"
    assert answer.headers["content-type"].startswith("application/json")
    told = answer.json()
    assert set(told) == {"error"}, told
    error = told["error"]
    assert {"code", "message", "innererror"} <= set(error) <= {"code", "message", "innererror", "target", "details"}
    assert error["innererror"] == {"requestId": answer.headers["x-request-id"]}
    return answer.status_code, error["code"], error["message"]


async def fill(service: Service) -> None:
    """Sixty users of every kind beside the cast."""

    async def write(tx: Transaction) -> None:
        await store(tx, people())

    await service.database.transaction(write)
