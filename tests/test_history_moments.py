"""One moment for one change: the past never shows half of it, whatever a change is made of."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from models.values import now
from tests.history import agrees, moment, whole
from tests.mutations import ask
from tests.service import Service

CHANGES: dict[str, dict[str, Any]] = {
    "updateUser": {
        "id": "user_9",
        "name": "Other",
        "role": {"name": "IT"},
        "setTags": ["new"],
        "setAliases": ["ninth"],
        "setVariables": [{"name": "desk", "value": "4"}],
    },
    "upsertUsers": {"users": [{"email": "tenth@x.test", "tags": ["new"]}, {"email": "eleventh@x.test"}]},
    "removeGroupMembers": {"id": "group_1", "userIds": ["user_8"]},
    "addOrganizationMembers": {"id": "organization_4", "userIds": ["user_9"], "role": {"name": "IT"}},
    "deleteGroup": {"id": "group_1"},
    "deleteUsers": {"ids": ["user_8", "user_9"]},
    "updateRole": {"id": "role_3", "synonyms": ["Lead"], "requiresSecondFactor": True},
}


async def recorded(service: Service) -> datetime:
    """The moment that the audit log tells of the last change."""
    (event,) = (await service.data("{ auditEvents(first: 1) { nodes { createdAt } } }"))["auditEvents"]["nodes"]
    return datetime.fromisoformat(event["createdAt"])


def text(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


@pytest.mark.parametrize("name", CHANGES)
async def test_a_change_is_whole_from_the_moment_that_the_log_tells(service: Service, name: str) -> None:
    await ask(service, "updateUser", {"id": "user_9", "setTags": ["old"], "setAliases": ["odd"]}, "errors { code }")
    before = await whole(service)
    await moment()
    assert (await ask(service, name, CHANGES[name], "errors { code message }"))["errors"] == []
    at, after = await recorded(service), await whole(service)
    assert after != before
    assert await whole(service, text(at)) == after
    assert await whole(service, text(at - timedelta(microseconds=1))) == before
    await agrees(service)


async def test_who_writes_by_hand_writes_when_the_clock_says(service: Service) -> None:
    """Without a transaction of the service's there is no moment, on a connection that had one before neither."""
    begun = now()
    await moment()
    database = service.database
    async with database.reading() as connection:
        raw = connection.raw
        if database.dialect.name == "sqlite":
            raw.connection.execute("PRAGMA query_only = OFF")
            raw.connection.execute("UPDATE role_names SET name = 'by hand' WHERE id = 1")
            raw.connection.execute("PRAGMA query_only = ON")
        else:
            await raw.execute("UPDATE role_names SET name = 'by hand' WHERE id = 1")
    since = await service.scalar("SELECT MAX(valid_from) FROM role_names_history")
    assert begun < (datetime.fromisoformat(since) if isinstance(since, str) else since) < now()
    if database.dialect.name == "sqlite":
        assert await service.scalar("SELECT COUNT(*) FROM change_moment") == 0
    await agrees(service)
