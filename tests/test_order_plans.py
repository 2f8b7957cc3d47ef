"""Lists read in an order that a column holds: an index gives it, so a page costs the same in a large directory."""

import re

import pytest

from resolvers.loaders import Page
from tests.service import Service
from tests.test_user_search import crowded, plans

__all__ = ["crowded"]

HELD = (
    "ID USERNAME EMAIL NAME FIRST_NAME LAST_NAME EXTERNAL_ID STATE LAST_LOGIN_AT LAST_API_REQUEST_AT CREATED_AT"
    " UPDATED_AT"
).split()


@pytest.mark.parametrize("down", [False, True])
async def test_no_order_of_a_column_sorts_the_directory(crowded: Service, down: bool) -> None:
    for name in HELD:
        for backwards in (False, True):
            asked = Page(size=20, order=((name, down),), backwards=backwards)
            rows, (plan,) = await plans(crowded, asked)
            assert len(rows) == 21
            # A username or address is nobody else's: its index gives the order, and "incremental" sorts single rows.
            assert not re.search(r"(?<!Incremental )Sort  \(cost|B-TREE FOR ORDER BY", plan), (name, plan)
