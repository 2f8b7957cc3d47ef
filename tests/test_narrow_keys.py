"""What a narrow key is answered where it lacks a right."""

import pytest

from tests.service import Service, key_of


async def test_a_narrow_key_without_the_right_is_told_that_the_key_is_narrow(service: Service) -> None:
    make = (
        'mutation { createApiKey(input: {userId: "user_1", name: "narrow", permissions: [READ_DIRECTORY]}) { secret } }'
    )
    secret = (await service.data(make))["createApiKey"]["secret"]
    change = {"query": 'mutation { createGroup(input: {name: "Made"}) { group { id } errors { code message } } }'}
    found = {}
    for name, key in (("narrow", secret), ("whole", key_of("normal"))):
        answer = (await service.post(change, who=None, headers={"x-apikey": key})).json()
        found[name] = answer["data"]["createGroup"]["errors"]
    assert found == {
        "narrow": [
            {
                "code": "FORBIDDEN",
                "message": "This API key may not manage groups: it is limited to some permissions."
                " Use a key that has MANAGE_GROUPS.",
            }
        ],
        "whole": [
            {
                "code": "FORBIDDEN",
                "message": "You may not manage groups. Ask an administrator for a role with MANAGE_GROUPS.",
            }
        ],
    }
    assert await service.scalar("SELECT COUNT(*) FROM groups WHERE name = 'Made'") == 0


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("enrollSecondFactor", 'currentPassword: "x"'),
        ("confirmSecondFactor", 'code: "123456"'),
        ("disableSecondFactor", 'currentPassword: "x", code: "123456"'),
        ("regenerateRecoveryCodes", 'code: "123456"'),
    ],
)
async def test_a_narrow_key_changes_no_second_factor(service: Service, name: str, given: str) -> None:
    make = """mutation { createApiKey(input: {userId: "user_1", name: "narrow", permissions: [USE_SELF_SERVICE]}) {
      secret } }"""
    secret = (await service.data(make))["createApiKey"]["secret"]
    before = await service.snapshot()
    body = {"query": f"mutation {{ {name}(input: {{{given}}}) {{ errors {{ code message }} }} }}"}
    answer = (await service.post(body, who=None, headers={"x-apikey": secret})).json()
    assert answer["data"][name]["errors"] == [
        {
            "code": "FORBIDDEN",
            "message": "This API key may not change a second factor: it is limited to some permissions."
            " Use a key that has all permissions of its user.",
        }
    ]
    assert await service.snapshot() == before
