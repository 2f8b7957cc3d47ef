"""Others are answered while a long call is computed by the same process."""

import asyncio

from tests.service import Service

INVITE = """mutation ($users: [InviteUserInput!]!) { inviteUsers(input: {users: $users}) {
  summary { created } results { user { id } } } }"""


async def test_a_page_is_read_while_thousands_are_invited(service: Service) -> None:
    rows = [{"email": f"person{n}@long.test", "tags": ["a", "b"], "aliases": [f"L{n}"]} for n in range(2_000)]
    call = asyncio.ensure_future(service.data(INVITE, {"users": rows}))
    read = 0
    while not call.done():
        await service.data("{ users(first: 5) { nodes { id name } } }", who="it")
        read += 1
    assert (await call)["inviteUsers"]["summary"]["created"] == len(rows)
    assert read >= 5
