"""The page about LDAP, step by step, tried on a real server."""

import json
import re
from pathlib import Path
from typing import Any

from tests.service import Service
from tests.slapd import SERVICE, Slapd
from tests.test_docs import blocks, first_line

PAGE = Path(__file__).parents[1] / "docs" / "integrators.md"
URLS = 'urls: ["ldaps://ldap.example.com"]'


def documents(slapd: Slapd) -> list[tuple[str, list[str]]]:
    """The section's documents with the address and the authority of the tests' server, and how each is refused."""
    section = re.split(r"^## ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    (text,) = [part for part in section if part.startswith("LDAP, step by step")]
    reach = f'urls: ["{slapd.tls_url}"], caCertificates: {json.dumps(slapd.authority.pem)}'
    found = [block for block in blocks(PAGE, "graphql") if block.text in text]
    assert sum(URLS in block.text for block in found) == 1
    return [(block.text.replace(URLS, reach), first_line(block)[1]) for block in found]


async def test_the_documents_lead_from_nothing_to_a_server_that_works(service: Service, slapd: Slapd) -> None:
    answers: dict[str, Any] = {}
    for document, refused in documents(slapd):
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
