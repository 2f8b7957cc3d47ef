"""Error policies, asked of every mutation that takes many rows: all or nothing, or the good ones."""

from typing import Any

import pytest

from tests.mutations import ERRORS, LDAP, ROWS, ask
from tests.service import Service, codes

POLICIES: list[tuple[str, dict[str, Any]]] = [
    ("inviteUsers", {"users": [{"email": "a@x.test"}, {"email": "bad"}]}),
    ("upsertUsers", {"users": [{"email": "a@x.test"}, {"email": "bad"}]}),
    ("convertUsers", {"conversions": [{"id": "user_9", "to": LDAP}, {"id": "user_77", "to": LDAP}]}),
    ("deactivateUsers", {"ids": ["user_9", "user_77"]}),
    ("deleteUsers", {"ids": ["user_9", "user_77"]}),
    ("revokeApiKeys", {"ids": ["key_3", "key_77"]}),
    ("addGroupMembers", {"id": "group_2", "userIds": ["user_9", "user_77"]}),
    ("removeGroupMembers", {"id": "group_1", "userIds": ["user_8", "user_77"]}),
    ("addOrganizationMembers", {"id": "organization_4", "userIds": ["user_9", "user_77"]}),
    ("removeOrganizationMembers", {"id": "organization_5", "userIds": ["user_9", "user_77"]}),
]


@pytest.mark.parametrize(("name", "given"), POLICIES, ids=[name for name, _ in POLICIES])
async def test_all_or_nothing_is_the_default_and_good_rows_pass_where_asked(
    service: Service, name: str, given: dict[str, Any]
) -> None:
    selection = f"{ROWS} results {{ index action {ERRORS} }}"
    before = await service.snapshot()
    for policy in ({}, {"errorPolicy": "ALL_OR_NOTHING"}, {"errorPolicy": None}):
        answer = await ask(service, name, {**given, **policy}, selection)
        assert [(r["index"], r["action"]) for r in answer["results"]] == [(0, "SKIPPED"), (1, "FAILED")]
        assert codes(answer["results"][0]["errors"]) == ["OTHERS_FAILED"]
        assert (answer["summary"]["skipped"], answer["summary"]["failed"], answer["errors"]) == (1, 1, [])
    assert await service.snapshot() == before
    answer = await ask(service, name, {**given, "errorPolicy": "REJECT_FAILED"}, selection)
    assert answer["results"][0]["errors"] == []
    assert answer["results"][0]["action"] in ("CREATED", "UPDATED", "DELETED")
    assert (answer["results"][1]["action"], answer["summary"]["failed"]) == ("FAILED", 1)
    assert (await service.snapshot())["audit_events"] != before["audit_events"]
