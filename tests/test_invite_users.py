"""Inviting users: many at once, each with a place, a link and a letter."""

from typing import Any

import pytest

from models.values import now
from tests.service import Service, codes

INVITE = """mutation($input: InviteUsersInput!) { inviteUsers(input: $input) {
  summary { created skipped failed }
  results { index ref action changedFields errors { code message path index }
    invitation { id link expiresAt invitation { id state sentCount user { id } identityProvider { id } } }
    user { id username email name state accessibility version role { name } identityProvider { id } tags aliases
      variables { name value } groups { nodes { id } } organizations { nodes { id } } } }
  errors { code message path } } }"""


async def invite(service: Service, *users: Any, who: str = "admin", **given: Any) -> Any:
    return (await service.data(INVITE, {"input": {"users": users, **given}}, who=who))["inviteUsers"]


async def invited(service: Service, email: str = "a@x.test", **row: Any) -> tuple[str, str, str]:
    """A new invitation: its user's id, its own id, and the token that only its link tells."""
    (result,) = (await invite(service, {"email": email, **row}))["results"]
    assert result["errors"] == []
    return result["user"]["id"], result["invitation"]["id"], result["invitation"]["link"].split("#")[1]


async def actions(service: Service, user: str) -> list[str]:
    sql = "SELECT action FROM audit_events WHERE subject_type = 'user' AND subject_id = $1 ORDER BY id"
    return [row[0] for row in await service.rows(sql, int(user.removeprefix("user_")))]


async def letters(service: Service) -> list[tuple[str, str]]:
    """The outbox: to whom, and the link unsealed as the sender would."""
    found = []
    for kind, state, to, sealed in await service.rows("SELECT kind, state, to_address, link FROM letters ORDER BY id"):
        assert (kind, state) == ("INVITATION", "WAITING")
        assert "ugi_" not in sealed
        opened = service.app.state.services.sealer.open(sealed)
        assert opened is not None
        found.append((to, opened))
    return found


async def test_many_are_invited_at_once_each_with_their_own_place(service: Service) -> None:
    rows = [
        {
            "ref": "1",
            "email": "ann@x.test",
            "name": "Ann",
            "role": {"name": "participant"},
            "organizationIds": ["organization_2", "organization_3"],
            "groupIds": ["group_1"],
            "identityProviderId": "provider_4",
            "tags": ["new|east"],
            "aliases": ["A-1"],
            "variables": [{"name": "Plan", "value": "free"}],
        },
        {"ref": "2", "email": "ben@x.test", "role": {"id": "role_3"}, "organizationIds": ["organization_5"]},
    ]
    answer = await invite(service, *rows, who="it")
    assert (answer["errors"], answer["summary"]) == ([], {"created": 2, "skipped": 0, "failed": 0})
    ann, ben = answer["results"]
    assert "role" in ann.pop("changedFields")
    assert ann.pop("invitation") | {"link": None, "expiresAt": None} == {
        "id": "invitation_1",
        "link": None,
        "expiresAt": None,
        "invitation": {
            "id": "invitation_1",
            "state": "PENDING",
            "sentCount": 1,
            "user": {"id": "user_10"},
            "identityProvider": {"id": "provider_4"},
        },
    }
    assert ann == {
        "index": 0,
        "ref": "1",
        "action": "CREATED",
        "errors": [],
        "user": {
            "id": "user_10",
            "username": "ann@x.test",
            "email": "ann@x.test",
            "name": "Ann",
            "state": "INVITED",
            "accessibility": "NONE",
            "version": 1,
            "role": {"name": "Normal user"},
            "identityProvider": {"id": "provider_4"},
            "tags": ["east", "new"],
            "aliases": ["A-1"],
            "variables": [{"name": "Plan", "value": "free"}],
            "groups": {"nodes": [{"id": "group_1"}]},
            "organizations": {"nodes": [{"id": "organization_2"}, {"id": "organization_3"}]},
        },
    }
    assert (ben["index"], ben["ref"], ben["user"]["role"]) == (1, "2", {"name": "Project manager"})
    assert (ben["user"]["identityProvider"], ben["invitation"]["invitation"]["identityProvider"]) == (
        {"id": "provider_1"},
        None,
    )
    stored = "SELECT user_id, provider_id, state, sent_count, created_by_id, closed_at FROM invitations ORDER BY id"
    assert await service.rows(stored) == [(10, 4, "PENDING", 1, 2, None), (11, None, "PENDING", 1, 2, None)]
    assert await service.rows("SELECT state, password_hash FROM users WHERE id > 9") == [("INVITED", None)] * 2
    assert await actions(service, "user_10") == ["INVITED"]


async def test_the_outbox_holds_a_sealed_link_for_every_row_that_was_stored_and_for_no_other(service: Service) -> None:
    rows = [{"email": "a@x.test"}, {"email": "member@usergraph.test"}, {"email": "c@x.test"}]
    await invite(service, *rows)
    await invite(service, *rows, errorPolicy="REJECT_FAILED", dryRun=True)
    assert await letters(service) == []
    answer = await invite(service, *rows, errorPolicy="REJECT_FAILED")
    assert [result["action"] for result in answer["results"]] == ["CREATED", "FAILED", "CREATED"]
    links = [result["invitation"]["link"] for result in (answer["results"][0], answer["results"][2])]
    assert await letters(service) == [("a@x.test", links[0]), ("c@x.test", links[1])]
    assert len(set(links)) == 2
    tokens = [link.split("#")[1] for link in links]
    digests = {row[0] for row in await service.rows("SELECT token_digest FROM invitations")}
    assert len(digests) == 2
    assert not digests & set(tokens)


async def test_links_begin_with_the_setting_and_last_as_long_as_the_setting_says(service_with: Any) -> None:
    async with service_with(public_url="https://people.example/base/", invitation_days=2) as service:
        body = {"query": INVITE, "variables": {"input": {"users": [{"email": "a@x.test"}]}}}
        answer = (await service.post(body, headers={"host": "evil.example"})).json()
        issued = answer["data"]["inviteUsers"]["results"][0]["invitation"]
        assert issued["link"].startswith("https://people.example/base/invitation#ugi_")
        created, expires = (await service.rows("SELECT created_at, expires_at FROM invitations"))[0]
        parse = type(now()).fromisoformat
        created, expires = (parse(each) if isinstance(each, str) else each for each in (created, expires))
        assert (expires - created).days == 2
        assert parse(issued["expiresAt"]) == expires


async def test_a_dry_run_has_no_link_because_its_token_would_never_work(service: Service) -> None:
    before = await service.snapshot()
    (result,) = (await invite(service, {"email": "a@x.test"}, dryRun=True))["results"]
    assert (result["action"], result["user"]["state"]) == ("CREATED", "INVITED")
    assert result["invitation"]["link"] is None
    assert result["invitation"]["expiresAt"] is not None
    assert await service.snapshot() == before


@pytest.mark.parametrize(
    ("row", "code", "path"),
    [
        ({"email": "member@usergraph.test"}, "TAKEN", ["email"]),
        ({"email": "a@x.test", "identityProviderId": "provider_3"}, "PROVIDER_DISABLED", ["identityProviderId"]),
        ({"email": "a@x.test", "identityProviderId": "provider_9"}, "NOT_FOUND", ["identityProviderId"]),
        ({"email": "a@x.test", "organizationIds": ["organization_9"]}, "NOT_FOUND", ["organizationIds", "0"]),
        ({"email": "a@x.test", "groupIds": ["group_1", "group_9"]}, "NOT_FOUND", ["groupIds", "1"]),
        ({"email": "a@x.test", "role": {"name": "Deactivated"}}, "NOT_FOUND", ["role", "name"]),
        ({"email": "a@x.test", "role": {"id": "user_1"}}, "NOT_FOUND", ["role", "id"]),
        ({"email": "a@x"}, "INVALID", ["email"]),
    ],
)
async def test_a_bad_row_is_refused_with_its_reason_and_nothing_is_sent(
    service: Service, row: Any, code: str, path: list[str]
) -> None:
    before = await service.snapshot()
    good, bad = (await invite(service, {"email": "z@x.test"}, row))["results"]
    assert (good["action"], codes(good["errors"]), good["invitation"]) == ("SKIPPED", ["OTHERS_FAILED"], None)
    assert (bad["action"], bad["user"], bad["invitation"]) == ("FAILED", None, None)
    assert [(e["code"], e["path"], e["index"]) for e in bad["errors"]] == [(code, ["users", "1", *path], 1)]
    assert await service.snapshot() == before


async def test_an_address_is_invited_once(service: Service) -> None:
    await invited(service)
    (again,) = (await invite(service, {"email": "A@x.test"}))["results"]
    assert codes(again["errors"]) == ["TAKEN"]
    assert "resendInvitations" in again["errors"][0]["message"]
    twice = (await invite(service, {"email": "b@x.test"}, {"email": "B@x.test"}))["results"]
    assert [codes(result["errors"]) for result in twice] == [["OTHERS_FAILED"], ["DUPLICATE"]]
    named = (await invite(service, {"email": "c@x.test", "username": "d@x.test"}, {"email": "d@x.test"}))["results"]
    assert [codes(result["errors"]) for result in named] == [["OTHERS_FAILED"], ["DUPLICATE"]]
    assert await service.scalar("SELECT COUNT(*) FROM invitations") == 1
