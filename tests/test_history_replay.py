"""A random history, made through the API: as of each moment, users are read as they were read then."""

import random
from collections.abc import Callable
from typing import Any

import pytest

from tests.cast import PASSWORD
from tests.history import agrees, moment, whole
from tests.mutations import input_type
from tests.service import Service

STEPS = 70
NAMES = ("Ann", "Bob", "Cleo", "Dan", "Eve", "Żoë", "O'Neil")
ROLES = ("Admin", "IT", "Project manager", "Normal user", "Read only", "Auditor")
TAGS = ("a", "b", "c", "ü")


class Hand:
    """What a busy administrator does, by the dice; a refusal is as good as a change."""

    def __init__(self, service: Service, seed: int) -> None:
        self.service = service
        self.dice = random.Random(seed)
        self.number = 0
        self.done: dict[str, int] = {}

    async def step(self) -> None:
        await self.dice.choice(self._ways())()

    def _ways(self) -> list[Callable[[], Any]]:
        users = [self.create, self.update, self.update, self.upsert, self.state, self.delete, self.convert, self.invite]
        around = [self.group, self.members, self.organization, self.belong, self.belong, self.role, self.provider]
        return [*users, *users, *around, self.keys]

    async def ask(self, mutation: str, **given: Any) -> None:
        """One in five is a dry run first."""
        document = f"mutation($input: {input_type(mutation)}!) {{ {mutation}(input: $input) {{ errors {{ code }} }} }}"
        for dry_run in [True, False] if self.dice.random() < 0.2 else [False]:
            data = await self.service.data(document, {"input": {**given, "dryRun": dry_run}})
        if not data[mutation]["errors"]:
            self.done[mutation] = self.done.get(mutation, 0) + 1

    async def some(self, table: str, prefix: str, most: int = 1) -> list[str]:
        ids = [row[0] for row in await self.service.rows(f"SELECT id FROM {table} WHERE id > 1 ORDER BY id")]
        return [f"{prefix}_{id}" for id in self.dice.sample(ids, min(len(ids), most))]

    def new(self) -> str:
        self.number += 1
        return f"n{self.number}"

    def texts(self) -> list[str]:
        return self.dice.sample(TAGS, self.dice.randrange(0, 3))

    async def create(self) -> None:
        name, ways = self.new(), [{"local": {"password": PASSWORD}}, {"apiOnly": True}, {"saml": {}}]
        given = {"username": name, "email": f"{name}@x.test", "name": self.dice.choice(NAMES), "tags": self.texts()}
        role = {"name": self.dice.choice(ROLES)}
        await self.ask("createUser", **given, aliases=[f"al-{name}"], role=role, authentication=self.dice.choice(ways))

    async def update(self) -> None:
        for user in await self.some("users", "user"):
            changes = {
                "name": self.dice.choice(NAMES),
                "firstName": self.dice.choice([None, *NAMES]),
                "role": {"name": self.dice.choice(ROLES)},
                "setTags": self.texts(),
                "setAliases": [self.new()],
                "setVariables": [{"name": "desk", "value": self.new()}],
                "email": f"{self.new()}@y.test",
                "externalId": self.dice.choice([None, self.new()]),
            }
            chosen = self.dice.sample(sorted(changes), self.dice.randrange(1, 4))
            await self.ask("updateUser", id=user, **{name: changes[name] for name in chosen})

    async def upsert(self) -> None:
        """As an import does it."""
        rows = [row[0] for row in await self.service.rows("SELECT email FROM users WHERE id > 1 ORDER BY id")]
        emails = [*self.dice.sample(rows, min(2, len(rows))), f"{self.new()}@x.test"]
        users = [
            {"email": each, "name": self.dice.choice(NAMES), "tags": self.texts(), "groups": ["Web work"]}
            for each in emails
        ]
        await self.ask("upsertUsers", users=users)

    async def state(self) -> None:
        name = self.dice.choice(["deactivateUsers", "activateUsers", "activateUsers"])
        await self.ask(name, ids=await self.some("users", "user", 3))

    async def delete(self) -> None:
        await self.ask("deleteUsers", ids=await self.some("users", "user"))

    async def convert(self) -> None:
        for user in await self.some("users", "user"):
            if self.dice.random() < 0.3:
                await self.ask("revertConversions", ids=[user])
                continue
            ldap = {"ldap": {"serverNumber": 1, "loginDn": f"cn={self.new()},dc=x,dc=test"}}
            to = self.dice.choice([{"saml": {}}, {"local": {}}, {"apiOnly": True}, ldap])
            await self.ask("convertUsers", conversions=[{"id": user, "to": to}], verify="NONE")

    async def invite(self) -> None:
        (organization,) = await self.some("organizations", "organization") or ["organization_1"]
        user = {"email": f"{self.new()}@z.test", "organizationIds": [organization]}
        await self.ask("inviteUsers", users=[user])

    async def group(self) -> None:
        groups = await self.some("groups", "group")
        way = self.dice.choice(["create", "update", "update", "delete"]) if len(groups) else "create"
        if way == "create":
            await self.ask("createGroup", name=self.new(), description=self.dice.choice([None, "text"]))
        elif way == "update":
            await self.ask("updateGroup", id=groups[0], name=self.new())
        else:
            await self.ask("deleteGroup", id=groups[0])

    async def members(self) -> None:
        name = self.dice.choice(["addGroupMembers", "addGroupMembers", "removeGroupMembers"])
        for group in [*(await self.some("groups", "group")), "group_1"]:
            await self.ask(name, id=group, userIds=await self.some("users", "user", 3))

    async def organization(self) -> None:
        found = await self.some("organizations", "organization", 2)
        way = self.dice.choice(["create", "rename", "move", "move", "delete"]) if len(found) == 2 else "create"
        if way == "create":
            await self.ask("createOrganization", name=self.new(), parentId=(found or ["organization_1"])[0])
        elif way == "rename":
            await self.ask("updateOrganization", id=found[0], name=self.new())
        elif way == "move":
            await self.ask("updateOrganization", id=found[0], parentId=found[1])
        else:
            await self.ask("deleteOrganization", id=found[0])

    async def belong(self) -> None:
        for organization in await self.some("organizations", "organization"):
            users = await self.some("users", "user", 3)
            if self.dice.random() < 0.3:
                await self.ask("removeOrganizationMembers", id=organization, userIds=users)
            else:
                role = self.dice.choice([None, {"name": self.dice.choice(ROLES)}])
                await self.ask("addOrganizationMembers", id=organization, userIds=users, role=role)

    async def role(self) -> None:
        rows = await self.service.rows("SELECT id, name FROM roles WHERE NOT is_built_in ORDER BY id")
        if not rows:
            await self.ask("createRole", name="Auditor", weight=30, permissions=["READ_AUDIT"], synonyms=["Checker"])
        elif self.dice.random() < 0.3:
            await self.ask("deleteRole", id=f"role_{rows[0][0]}")
        else:
            name = "Auditor" if rows[0][1] != "Auditor" else "Looker"
            await self.ask("updateRole", id=f"role_{rows[0][0]}", name=name, weight=self.dice.randrange(1, 90))

    async def provider(self) -> None:
        for provider in await self.some("identity_providers", "provider"):
            enabled = self.dice.random() < 0.7
            await self.ask("updateIdentityProvider", id=provider, name=self.new(), isEnabled=enabled)

    async def keys(self) -> None:
        if self.dice.random() < 0.4:
            await self.ask("revokeApiKeys", ids=await self.some("api_keys", "key"))
        for user in await self.some("users", "user"):
            await self.ask("createApiKey", name=self.new(), userId=user, permissions=["USE_SELF_SERVICE"])


@pytest.mark.parametrize("seed", [1, 2])
async def test_the_past_is_as_it_was_read(service_with: Any, seed: int) -> None:
    async with service_with(max_cost=100_000_000) as service:
        hand = Hand(service, seed)
        snapshots = []
        for number in range(STEPS):
            await hand.step()
            if number % 3 == 0:
                snapshots.append((await whole(service, None, 200), await moment()))
        await agrees(service)
        for then, at in snapshots:
            assert await whole(service, at, 200) == then, at
        assert len({str(then) for then, _ in snapshots}) > len(snapshots) / 2
        assert len(hand.done) > 15, hand.done
