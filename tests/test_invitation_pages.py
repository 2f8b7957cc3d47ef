"""The pages that links in letters lead to: what they are told, and that people get in by them, in a real browser."""

import os
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

from graph.pages import page as pages
from tests.playground import need
from tests.server import key_of_demo, serving
from tests.service import Service

PASSWORD = "amber ladder quiet 77"
INVITE = """mutation($input: InviteUsersInput!) { inviteUsers(input: $input) {
  results { user { id } invitation { id link } errors { message } } errors { message } } }"""
OPEN = """query($token: String!) { invitationByToken(token: $token) {
  name username platform organizations invitedBy providerKind providerName providerPrefix expiresAt } }"""
REVOKE = "mutation($ids: [ID!]!) { revokeInvitations(input: {ids: $ids}) { errors { message } } }"
REQUEST = "mutation($email: String!) { requestPasswordReset(input: {email: $email}) { link errors { message } } }"


async def invite(service: Service, **user: Any) -> dict[str, Any]:
    given = {"email": "bob@partner.example", "name": "Bob Wood", **user}
    (told,) = (await service.data(INVITE, {"input": {"users": [given]}}))["inviteUsers"]["results"]
    assert told["errors"] == []
    found: dict[str, Any] = told
    return found


async def read(service: Service, link: str) -> Any:
    body = await service.ask(OPEN, {"token": link.partition("#")[2]}, who=None)
    assert "errors" not in body, body
    return body["data"]["invitationByToken"]


async def test_who_holds_the_token_may_read_its_invitation(service: Service) -> None:
    told = await invite(service)
    found = await read(service, told["invitation"]["link"])
    expires = found.pop("expiresAt")
    assert expires.endswith("Z")
    local = await service.rows("SELECT name, prefix FROM identity_providers WHERE kind = 'LOCAL'")
    assert found == {
        "name": "Bob Wood",
        "username": "bob@partner.example",
        "platform": await service.scalar("SELECT name FROM organizations WHERE parent_id IS NULL"),
        "organizations": [],
        "invitedBy": await service.scalar("SELECT name FROM users WHERE username_key = 'admin'"),
        "providerKind": "LOCAL",
        "providerName": local[0][0],
        "providerPrefix": local[0][1],
    }


async def test_an_invitation_names_its_organizations_and_nothing_of_others(service: Service) -> None:
    result = await invite(service, organizationIds=["organization_4", "organization_3"])
    assert (await read(service, result["invitation"]["link"]))["organizations"] == ["Acme East", "Acme West"]
    other = await invite(service, email="other@partner.example", organizationIds=["organization_5"])
    assert (await read(service, other["invitation"]["link"]))["organizations"] == ["Other"]


async def test_an_invitation_of_another_provider_names_it(service: Service) -> None:
    ((number, name, prefix),) = await service.rows(
        "SELECT id, name, prefix FROM identity_providers WHERE kind = 'SAML' LIMIT 1"
    )
    told = await invite(service, identityProviderId=f"provider_{number}")
    found = await read(service, told["invitation"]["link"])
    assert (found["providerKind"], found["providerName"], found["providerPrefix"]) == ("SAML", name, prefix)


@pytest.mark.parametrize(
    "over",
    [
        "UPDATE invitations SET expires_at = created_at",
        "UPDATE invitations SET state = 'ACCEPTED', closed_at = created_at",
        "UPDATE invitations SET state = 'REVOKED', closed_at = created_at",
        "UPDATE users SET state = 'DEACTIVATED' WHERE state = 'INVITED'",
    ],
)
async def test_what_is_over_reads_as_what_never_was(service: Service, over: str) -> None:
    told = await invite(service)
    await service.write(over)
    never = await read(service, "#ugi_0123456789012345678901234567890123456789012")
    assert (await read(service, told["invitation"]["link"]), never) == (None, None)


async def test_a_stranger_reads_invitations_by_token_only(service: Service) -> None:
    for query in ('{ invitationByToken(token: "x") { name } me { id } }', "{ invitations { nodes { id } } }"):
        assert await service.codes(query, who=None) == ["UNAUTHENTICATED"]


@pytest.mark.parametrize("path", ["/invitation", "/password-reset", "/pages/page.js", "/pages/page.css"])
async def test_pages_are_files_under_a_strict_policy(service: Service, path: str) -> None:
    answer = await service.client.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-security-policy"] == pages.CONTENT_POLICY
    assert "unsafe" not in pages.CONTENT_POLICY
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "innerHTML" not in answer.text
    assert "//" not in answer.text.replace("// What the two pages do.", "")


async def test_pages_say_what_the_settings_say(service_with: Any) -> None:
    async with service_with(password_length=20, sign_in_url='https://app.example/?a=1&b="2"') as service:
        for path in ("/invitation", "/password-reset"):
            text = (await service.client.get(path)).text
            assert "At least 20 characters" in text
            assert 'href="https://app.example/?a=1&amp;b=&quot;2&quot;"' in text


# --- in a browser -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("pages")) as found:
        yield found


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    need(chromium, "no Chromium on this machine (Debian: apt-get install chromium)")
    expect.set_options(timeout=30_000)
    async with async_playwright() as driver:
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        chrome = await driver.chromium.launch(executable_path=chromium, args=flags)
        yield chrome
        await chrome.close()


class Visit:
    """A page with what it asked for and complained about."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.requested: list[str] = []
        self.errors: list[str] = []
        page.on("request", lambda request: self.requested.append(request.url))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)


@pytest.fixture
async def visit(browser: Browser) -> AsyncIterator[Visit]:
    context = await browser.new_context(viewport={"width": 480, "height": 720}, locale="en-GB", timezone_id="UTC")
    yield Visit(await context.new_page())
    await context.close()


def ask(address: str, query: str, variables: dict[str, Any]) -> Any:
    body = {"query": query, "variables": variables}
    answer = httpx.post(f"{address}/graphql", json=body, headers={"x-apikey": key_of_demo()}, timeout=30).json()
    assert "errors" not in answer, answer
    return next(iter(answer["data"].values()))


def invitation(address: str, email: str, **more: Any) -> dict[str, Any]:
    told = ask(address, INVITE, {"input": {"users": [{"email": email, "name": "Bob Wood", **more}]}})["results"][0]
    assert told["errors"] == []
    # The public address of this server is a setting that names another port.
    token = told["invitation"]["link"].partition("#")[2]
    return {"id": told["invitation"]["id"], "user": told["user"]["id"], "link": f"{address}/invitation#{token}"}


async def picture(visit: Visit, name: str, folder: Path) -> None:
    """Into the folder named by USERGRAPH_PAGE_PICTURES, for whoever wants to look."""
    path = Path(os.environ.get("USERGRAPH_PAGE_PICTURES") or folder) / f"{name}.png"
    await visit.page.screenshot(path=path)
    assert path.read_bytes().startswith(b"\x89PNG")


async def test_an_invitation_is_accepted(visit: Visit, address: str, tmp_path: Path) -> None:
    told, page = invitation(address, "bob@pages.example", organizationIds=["organization_2"]), visit.page
    platform, invited = (
        ask(
            address,
            "query($id: ID!) { node(id: $id) { ... on Organization { name } } }",
            {"id": f"organization_{number}"},
        )["name"]
        for number in (1, 2)
    )
    await page.goto(told["link"])
    await expect(page.get_by_role("status")).to_contain_text(f"invites you to {invited} ({platform})")
    await expect(page.locator("#hint")).to_contain_text("At least 15 characters")
    await expect(page.get_by_role("link", name="Sign in")).to_have_count(0)
    await expect(page.get_by_label("You sign in as")).to_have_value("bob@pages.example")
    await expect(page.get_by_label("Your name")).to_have_value("Bob Wood")
    await picture(visit, "invitation", tmp_path)
    await page.get_by_label("Password", exact=True).fill("bob")
    await page.get_by_role("button", name="Accept").click()
    await expect(page.get_by_role("alert")).to_contain_text("characters")
    await expect(page.get_by_role("alert")).to_be_focused()
    await picture(visit, "invitation-refused", tmp_path)
    await page.get_by_label("Password", exact=True).fill(PASSWORD)
    await page.get_by_label("Show it").check()
    await expect(page.get_by_label("Password", exact=True)).to_have_attribute("type", "text")
    await page.get_by_role("button", name="Accept").click()
    await expect(page.get_by_role("status")).to_contain_text("Welcome to")
    await expect(page.get_by_role("button")).to_have_count(0)
    await expect(page.get_by_role("link", name="Sign in")).to_have_attribute("href", "./")
    assert page.url == f"{address}/invitation"
    user = ask(address, "query($id: ID!) { user(by: {id: $id}) { state hasValidPassword } }", {"id": told["user"]})
    assert user == {"state": "ACTIVE", "hasValidPassword": True}
    await picture(visit, "invitation-accepted", tmp_path)

    await page.goto(told["link"])
    await expect(page.get_by_role("status")).to_contain_text("no longer works")
    await expect(page.get_by_role("button")).to_have_count(0)
    token = told["link"].partition("#")[2]
    assert [url for url in visit.requested if not url.startswith((f"{address}/", "data:"))] == []
    assert [url for url in visit.requested if token in url.partition("#")[0]] == []
    assert visit.errors == []


async def test_an_invitation_that_was_taken_back_meanwhile(visit: Visit, address: str) -> None:
    told, page = invitation(address, "revoked@pages.example"), visit.page
    await page.goto(told["link"])
    await page.get_by_label("Password", exact=True).fill(PASSWORD)
    ask(address, REVOKE, {"ids": [told["id"]]})
    await page.get_by_role("button", name="Accept").click()
    await expect(page.get_by_role("alert")).to_contain_text("no longer works")


async def test_invitations_through_other_providers(visit: Visit, address: str, tmp_path: Path) -> None:
    found = ask(address, "{ identityProviders { id kind name prefix } }", {})
    ldap, saml = (next(each for each in found if each["kind"] == kind) for kind in ("LDAP", "SAML"))
    page = visit.page
    told = invitation(address, "ldap@pages.example", identityProviderId=ldap["id"])
    await page.goto(told["link"])
    await expect(page.get_by_role("button", name="Accept")).to_be_visible()
    await expect(page.get_by_label("Password", exact=True)).to_have_count(0)
    await page.get_by_role("button", name="Accept").click()
    await expect(page.get_by_role("status")).to_contain_text(f"your password of {ldap['name']}")

    told = invitation(address, "saml@pages.example", identityProviderId=saml["id"])
    await page.goto(told["link"])
    await expect(page.get_by_role("button", name=f"Continue with {saml['name']}")).to_be_visible()
    await picture(visit, "invitation-saml", tmp_path)
    async with page.expect_request("**/saml/**") as sent:
        await page.get_by_role("button").click()
    request = await sent.value
    assert (request.method, request.url) == ("POST", f"{address}/saml/{saml['prefix']}/login")
    assert request.post_data == f"invitation={told['link'].partition('#')[2]}"


async def test_a_new_password_is_set(visit: Visit, address: str, tmp_path: Path) -> None:
    told, page = invitation(address, "reset@pages.example"), visit.page
    await page.goto(told["link"])
    await page.get_by_label("Password", exact=True).fill(PASSWORD)
    await page.get_by_role("button", name="Accept").click()
    await expect(page.get_by_role("status")).to_contain_text("Welcome to")
    link = ask(address, REQUEST, {"email": "reset@pages.example"})["link"]
    await page.goto(f"{address}/password-reset#{link.partition('#')[2]}")
    await picture(visit, "password-reset", tmp_path)
    for given, answer in (("short", "alert"), ("copper window river 12", "status"), (PASSWORD, "alert")):
        if given == PASSWORD:  # the link a second time
            await page.goto(f"{address}/password-reset#{link.partition('#')[2]}")
        await page.get_by_label("New password").fill(given)
        await page.get_by_role("button", name="Set password").click()
        text = {"short": "characters", PASSWORD: "no longer works"}.get(given, "Your new password is set")
        await expect(page.get_by_role(answer)).to_contain_text(text)  # type: ignore[arg-type]
    assert visit.errors == []


async def test_links_that_are_cut_short_and_servers_that_do_not_answer(visit: Visit, address: str) -> None:
    page = visit.page
    for path in ("invitation", "password-reset"):
        await page.goto(f"{address}/{path}")
        await expect(page.get_by_role("status")).to_contain_text("not complete")
    await page.route("**/graphql", lambda route: route.abort())
    await page.goto(f"{address}/invitation#ugi_x")
    await expect(page.get_by_role("alert")).to_contain_text("did not answer")
