"""The clock of a host two hours off, the database's right: what is made there can be used, and is kept in order."""

from datetime import UTC, datetime, timedelta, tzinfo

import pytest

from models import values
from tests.cast import PASSWORD
from tests.mutations import ERRORS, ISSUED, RESULTS, ask
from tests.service import Service

HOURS = [2, -2]


@pytest.fixture(params=HOURS, ids=["ahead", "behind"])
def off(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> timedelta:
    """What this program takes for now; what the database does stays."""
    by = timedelta(hours=request.param)

    class Wrong(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) + by

    monkeypatch.setattr(values, "datetime", Wrong)
    return by


async def test_invitations_and_resets_work_and_calls_are_recognized(service: Service, off: timedelta) -> None:
    given = {"users": [{"email": "late@x.test"}], "idempotencyKey": "k"}
    first = await ask(service, "inviteUsers", given, RESULTS % ISSUED)
    assert await ask(service, "inviteUsers", given, RESULTS % ISSUED) == first
    token = first["results"][0]["invitation"]["link"].split("#")[1]
    accepted = await ask(service, "acceptInvitation", {"token": token, "password": PASSWORD, "name": "Late"}, ERRORS)
    assert accepted["errors"] == []
    reset = await ask(service, "requestPasswordReset", {"email": "outsider@usergraph.test"}, f"link {ERRORS}")
    chosen = {"token": reset["link"].split("#")[1], "newPassword": PASSWORD}
    assert (await ask(service, "resetPassword", chosen, ERRORS))["errors"] == []
    events = await service.data("{ auditEvents(first: 3, orderBy: [{field: ID, direction: DESC}]) { nodes { id } } }")
    assert len(events["auditEvents"]["nodes"]) == 3


async def test_a_key_ends_by_the_clock_of_the_host_that_is_asked(service: Service, off: timedelta) -> None:
    """So one that is behind takes a key for as long as it is behind, and one that is ahead refuses it as early."""
    made = await ask(service, "createApiKey", {"name": "short"}, f"secret {ERRORS}")
    answers = []
    for hours in (-3, -1, 1, 3):
        ends = datetime.now(UTC) + timedelta(hours=hours)
        await service.write("UPDATE api_keys SET expires_at = $1 WHERE name = 'short'", ends)
        headers = {"x-apikey": made["secret"]}
        answer = await service.client.post("/graphql", json={"query": "{ me { username } }"}, headers=headers)
        answers.append(answer.status_code)
    ahead = off > timedelta()
    assert answers == ([401, 401, 401, 200] if ahead else [401, 200, 200, 200])
