"""A second factor and sessions: those opened without it end; where a role demands it, one is for setting it up."""

import pytest

from tests.cast import PASSWORD
from tests.factors import CONFIRM, DISABLE, ENROLL, code
from tests.service import Service
from tests.signing_in import ask_as, sign_in, token_of

ME = "{ me { is2faEnabled } }"


async def enroll_as(service: Service, token: str) -> str:
    """The secret of the second factor that whoever has this session turns on."""
    given = {"input": {"currentPassword": PASSWORD}}
    secret: str = (await ask_as(service, token, ENROLL, given))["data"]["enrollSecondFactor"]["secret"]
    confirmed = await ask_as(service, token, CONFIRM, {"input": {"code": code(secret, -1)}})
    assert confirmed["data"]["confirmSecondFactor"]["errors"] == []
    return secret


async def test_the_session_that_turns_it_on_stays_and_others_end(service: Service) -> None:
    own, other, elses = await token_of(service), await token_of(service), await token_of(service, "outsider")
    secret = await enroll_as(service, own)
    assert (await ask_as(service, own, ME))["data"] == {"me": {"is2faEnabled": True}}
    assert (await ask_as(service, other, ME))["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    assert (await ask_as(service, elses, ME))["data"] == {"me": {"is2faEnabled": False}}
    given = {"input": {"code": code(secret), "currentPassword": PASSWORD}}
    off = await ask_as(service, own, DISABLE, given)
    assert off["data"]["disableSecondFactor"] == {"is2faEnabled": False, "errors": []}
    assert (await ask_as(service, own, ME))["data"] == {"me": {"is2faEnabled": False}}
    assert (await sign_in(service))["errors"] == []


@pytest.mark.parametrize(("who", "role"), [("it", "IT"), ("orgadmin", "Admin")])
async def test_who_must_have_one_can_set_it_up_and_then_do_everything(service: Service, who: str, role: str) -> None:
    await service.write("UPDATE roles SET requires_second_factor = TRUE WHERE name = $1", role)
    answer = await sign_in(service, who)
    assert answer["mustEnrollSecondFactor"] is True
    token = answer["session"]["token"]
    listing = "{ users { nodes { username } } }"
    create = 'mutation { createGroup(input: {name: "New"}) { errors { code } } }'
    viewer = "{ viewer { permissions } }"
    assert (await ask_as(service, token, viewer))["data"] == {"viewer": {"permissions": ["USE_SELF_SERVICE"]}}
    for beyond in (listing, create):
        refused = (await ask_as(service, token, beyond))["errors"]
        assert [error["extensions"]["code"] for error in refused] == ["SECOND_FACTOR_REQUIRED"]
    secret = await enroll_as(service, token)
    assert "errors" not in await ask_as(service, token, listing)
    assert (await ask_as(service, token, viewer))["data"] != {"viewer": {"permissions": ["USE_SELF_SERVICE"]}}
    again = await sign_in(service, who, code=code(secret))
    assert (again["errors"], again["mustEnrollSecondFactor"]) == ([], False)
