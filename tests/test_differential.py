"""The compiled read path against the plain way: the same JSON for hundreds of random queries."""

import os
from datetime import UTC, datetime
from typing import Any

import pytest

from models.settings import Settings
from resolvers import tokens
from resolvers.viewers import by_username
from tests import generate, plain
from tests.service import Service
from tests.signing_in import token_of

QUERIES = int(os.environ.get("DIFFERENTIAL_QUERIES", "260"))
SETTINGS = {"max_cost": 10**9, "max_depth": 50, "max_aliases": 1_000, "max_root_fields": 100}
MADE = plain.schema()

FURNISH = """
mutation { upsertUsers(input: {createMissingGroups: true, users: [
  {email: "one@x.test", tags: ["b|a"], aliases: ["ID-1"], variables: [{name: "n", value: "v"}],
   groups: ["web work", "New"], organizationIds: ["organization_2", "organization_3"]},
  {email: "two@x.test", firstName: "Two", lastName: "Ñandú", tags: ["a"], role: {name: "IT"}, groups: ["IT works"]}]})
  { errors { code } summary { created } }
  inviteUsers(input: {users: [{email: "three@x.test", organizationIds: ["organization_5"]}]}) { summary { created } }
  reconcileUsers(input: {source: "hr", users: [{externalId: "h1", email: "four@x.test", tags: ["b|a"]},
    {externalId: "h2", email: "no address"}]}) { job { id } } }
"""


@pytest.mark.parametrize("who", ["admin", "orgadmin"])
async def test_compiled_and_plain_answers_are_identical(service_with: Any, who: str) -> None:
    async with service_with(**SETTINGS) as service:
        await service.data(FURNISH)
        while await service.app.state.jobs.turn():
            pass
        for name in ("member", "outsider"):
            await token_of(service, name)
        # No request may change what the next one reads: keys used in the far future are not touched again.
        await service.app.state.touches.close()
        await service.write("UPDATE api_keys SET last_used_at = $1", datetime(2100, 1, 1, tzinfo=UTC))
        token = tokens.digest(tokens.Purpose.INVITATION, generate.WORDS[0])
        await service.write("UPDATE invitations SET token_digest = $1 WHERE id = 1", token)
        answered = await _compare(service, who, seed=sum(map(ord, who)))
        # Most of what is generated must really be answered, or nothing was compared.
        assert answered > QUERIES * 0.3


async def _compare(service: Service, who: str, seed: int) -> int:
    generator = generate.Generator(MADE, seed)
    async with service.database.reading() as connection:
        viewer = await by_username(connection, who)
        assert viewer is not None
    answered = 0
    for _ in range(QUERIES):
        query, variables = generator.query()
        compiled = await service.ask(query, variables, who=who)
        if "errors" in compiled:
            codes = {error["extensions"]["code"] for error in compiled["errors"]}
            assert codes == {"FORBIDDEN"}, (query, compiled["errors"])
            continue
        async with service.database.reading() as connection:
            world = plain.World(connection, viewer, Settings(**SETTINGS))
            data, errors = await plain.answer(MADE, query, variables, world)
        assert not errors, (query, errors)
        assert compiled["data"] == data, query
        answered += 1
    return answered
