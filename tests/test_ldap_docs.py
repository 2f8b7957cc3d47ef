"""The page about LDAP, step by step, tried on a real server."""

import json
import re
import ssl
from pathlib import Path
from typing import Any

from models.values import camel
from tests.active_directory import ATTRIBUTES, USERS, active_directory
from tests.certificates import Authority
from tests.service import Service
from tests.slapd import SERVICE, Slapd
from tests.test_docs import blocks, first_line

PAGE = Path(__file__).parents[1] / "docs" / "integrators.md"


def documents(heading: str, url: str, reach: str) -> list[tuple[str, list[str]]]:
    """A section's documents with the address and the authority of the tests' server, and how each is refused."""
    section = re.split(r"^## ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    (text,) = [part for part in section if part.startswith(f"{heading}\n")]
    urls = f'urls: ["{url}"]'
    found = [block for block in blocks(PAGE, "graphql") if block.text in text]
    assert sum(urls in block.text for block in found) == 1
    return [(block.text.replace(urls, reach), first_line(block)[1]) for block in found]


def reached_at(url: str, pem: str) -> str:
    return f'urls: ["{url}"], caCertificates: {json.dumps(pem)}'


async def test_the_documents_lead_from_nothing_to_a_server_that_works(service: Service, slapd: Slapd) -> None:
    answers: dict[str, Any] = {}
    reach = reached_at(slapd.tls_url, slapd.authority.pem)
    for document, refused in documents("LDAP, step by step", "ldaps://ldap.example.com", reach):
        data = await service.data(document)
        ((name, payload),) = data.items()
        assert [error["code"] for error in payload["errors"]] == refused, payload
        answers.setdefault(name, payload)
        assert SERVICE not in json.dumps(data)
    assert answers["createIdentityProvider"]["identityProvider"]["id"] == "provider_5"
    assert answers["testIdentityProvider"]["isOk"] is True
    assert [step["name"] for step in answers["testIdentityProvider"]["steps"]][-2:] == ["user", "groups"]
    assert answers["updateIdentityProvider"]["identityProvider"]["ldapSettings"]["groupMappings"][0]["role"] == {
        "name": "Normal user"
    }


async def test_those_about_active_directory_lead_to_one_that_works(service: Service, tmp_path: Path) -> None:
    authority = Authority()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*authority.issue(tmp_path, "localhost"))
    async with active_directory(context) as domain:
        reach = reached_at(f"ldaps://localhost:{domain.port}", authority.pem)
        (create, _), (try_out, _) = documents("Active Directory", "ldaps://dc1.corp.example.com", reach)
        made = (await service.data(create))["createIdentityProvider"]
        assert made["errors"] == []
        settings = made["identityProvider"]["ldapSettings"]
        assert settings["userFilter"] == USERS
        assert settings["attributes"] == {
            camel(name): ATTRIBUTES[name] for name in ("username", "email", "external_id", "member_of", "changed_at")
        }
        answer = await service.data(try_out.replace("provider_6", made["identityProvider"]["id"]))
        assert answer["testIdentityProvider"]["isOk"] is True, answer
        told = {step["name"]: step["message"] for step in answer["testIdentityProvider"]["steps"]}
        assert "by when they changed (whenChanged) too" in told["base"]
        assert "external id" in told["user"]
        assert "CN=Engineers" in told["groups"]
