"""Responses that nobody is signed in by: altered, wrapped, replayed, unsigned, for others, too old, too early."""

import base64
import logging
from datetime import UTC, datetime

import pytest
from lxml import etree
from lxml.etree import _Element as Element

from tests.saml_responses import MFA_CONTEXT, Idp, begin, part, post, saml_user, stored
from tests.saml_wrong_responses import EVIL, WRONG
from tests.service import Service


async def test_a_wrong_response_signs_nobody_in(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    """Each refused with a page that says nothing about users, and nothing stored; the log has the reason, no names."""
    idp = Idp()
    await idp.configure(service)
    await saml_user(service, "normal", name_id="ada")
    for name, wrong in WRONG.items():
        request = await begin(service)
        given = {"request": request, **wrong}
        reason = given.pop("says")
        response = idp.response(given.pop("request"), **given)
        before = await stored(service)
        caplog.clear()
        with caplog.at_level(logging.WARNING, "usergraph.saml"):
            answer = await post(service, response)
        assert answer.status_code in (400, 403, 413), f"{name}: {answer.status_code} {answer.text}"
        assert "set-cookie" not in answer.headers, name
        assert await stored(service) == before, name
        assert EVIL not in answer.text + caplog.text, name
        assert "ada" not in caplog.text, f"{name}: {caplog.text}"
        assert [record.name for record in caplog.records] == ["usergraph.saml"], name
        assert reason in caplog.text, f"{name}: {caplog.text}"
    # The same request and the same provider, and nothing wrong.
    assert (await post(service, idp.response(await begin(service)))).status_code == 303


async def test_a_comment_does_not_cut_a_name(service: Service) -> None:
    """Comments are outside of what is signed: whoever has `ada.evil` at the provider must not become `ada` by one."""
    idp = Idp()
    await idp.configure(service)
    await saml_user(service, "normal", name_id="ada")

    def comment(root: Element) -> None:
        name_id = part(root, "saml:NameID")
        mark = etree.Comment("")
        name_id.text, mark.tail = "ada", ".evil"
        name_id.append(mark)

    for sign in ("assertion", "response", "both"):
        response = idp.response(await begin(service), sign=sign, name_id="ada.evil", after=comment)
        before = await stored(service)
        answer = await post(service, response)
        assert answer.status_code == 403, answer.text
        assert await stored(service) == before


async def test_a_response_works_once(service: Service) -> None:
    idp = Idp()
    await idp.configure(service)
    await saml_user(service, "normal", name_id="ada")
    response = idp.response(await begin(service))
    assert (await post(service, response)).status_code == 303
    before = await stored(service)
    assert (await post(service, response)).status_code == 403
    assert await stored(service) == before


async def test_an_assertion_answers_no_second_request(service: Service) -> None:
    """The same assertion id again, in an answer to a request of its own: the table of assertions keeps it out."""
    idp = Idp()
    await idp.configure(service)
    await saml_user(service, "normal", name_id="ada")
    assert (await post(service, idp.response(await begin(service), number="same"))).status_code == 303
    response = idp.response(await begin(service), number="same")
    before = await stored(service)
    assert (await post(service, response)).status_code == 403
    assert await stored(service) == before


async def test_a_request_ends(service: Service) -> None:
    idp = Idp()
    await idp.configure(service)
    await saml_user(service, "normal", name_id="ada")
    response = idp.response(await begin(service))
    await service.write("UPDATE saml_requests SET expires_at = $1", datetime.now(UTC))
    assert (await post(service, response)).status_code == 403


async def test_another_browser_cannot_bring_the_response(service: Service) -> None:
    """Nobody is signed in as somebody else by a form that their browser is made to send."""
    idp = Idp()
    await idp.configure(service)
    await saml_user(service, "normal", name_id="ada")
    response = idp.response(await begin(service))
    service.client.cookies.clear()
    assert (await post(service, response)).status_code == 403
    await begin(service)
    assert (await post(service, response)).status_code == 403
    assert await service.rows("SELECT id FROM sessions") == []


async def test_a_response_of_another_provider(service: Service) -> None:
    """It is verified by the keys of the provider at whose address it arrives, and answers only requests of that one."""
    one = Idp()
    await one.configure(service)
    made = 'mutation { createIdentityProvider(input: {name: "Two", prefix: "two", kind: SAML}) { errors { code } } }'
    await service.data(made)
    number = await service.scalar("SELECT id FROM identity_providers WHERE prefix = 'two'")
    two = Idp("two", "https://two.example.com", "two", f"provider_{number}")
    await two.configure(service)
    await saml_user(service, "normal", name_id="ada")
    assert (await post(service, two.response(await begin(service)))).status_code == 400
    assert (await post(service, one.response(await begin(service)), "two")).status_code == 400
    # Rightly signed by two, about somebody whom one knows by the same name id.
    assert (await post(service, two.response(await begin(service, "two")), "two")).status_code == 403
    assert (await post(service, two.response(await begin(service)), "two")).status_code == 403
    assert await service.rows("SELECT id FROM sessions") == []


async def test_forms_that_are_none(service: Service) -> None:
    await Idp().configure(service)
    await begin(service)
    send = service.client.post
    assert (await send("/saml/sso/acs", json={"SAMLResponse": "x"})).status_code == 415
    assert (await send("/saml/sso/acs", data={"RelayState": "x"})).status_code == 400
    assert (await send("/saml/sso/acs", data={"SAMLResponse": ["eA==", "eA=="]})).status_code == 400
    assert (await send("/saml/sso/acs", data={"SAMLResponse": "%"})).status_code == 400
    large = base64.b64encode(b"x" * 600_000).decode()
    assert (await send("/saml/sso/acs", data={"SAMLResponse": large})).status_code == 413
    assert (await service.client.get("/saml/sso/acs")).status_code == 405


async def test_a_role_that_demands_a_second_factor(service: Service) -> None:
    """The identity provider must say that it asked for one."""
    idp = Idp()
    await idp.configure(service)
    await saml_user(service, "normal", name_id="ada")
    await service.write("UPDATE roles SET requires_second_factor = true WHERE name = 'Normal user'")
    response = idp.response(await begin(service))
    before = await stored(service)
    answer = await post(service, response)
    assert answer.status_code == 403
    assert "did not say that it asked you for one" in answer.text
    assert await stored(service) == before
    assert (await post(service, idp.response(await begin(service), context=MFA_CONTEXT))).status_code == 303
    # It is a whole session: there is no second factor to set up here.
    headers = {"sec-fetch-site": "same-origin"}
    told = await service.client.post("/graphql", json={"query": "{ roles { name } }"}, headers=headers)
    assert "errors" not in told.json()
