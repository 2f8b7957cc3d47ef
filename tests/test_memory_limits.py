"""What a request may bring into memory, and what of it stays there."""

import json

import pytest

from graph import documents as kept
from graph import runs
from models.values import now
from resolvers import loaders
from tests.service import Service


async def test_an_answer_is_refused_before_it_fills_the_memory(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    await service.write("INSERT INTO user_tags (user_id, value, value_key) VALUES (1, 'a', 'a'), (1, 'b', 'b')")
    for query, enough, too_few in (
        ("{ users { nodes { id name email username state } } }", 100, 80),
        ("{ roles { users { nodes { id } } } }", 70, 50),
        ("{ users(first: 1) { nodes { tags } } }", 20, 12),
    ):
        for limit, codes in ((enough, []), (too_few, ["ANSWER_TOO_LARGE"])):
            monkeypatch.setattr(runs, "MOST_VALUES", limit)
            assert await service.codes(query) == codes, query


async def test_what_a_long_record_of_changes_holds_is_counted_too(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One event of a call with ten thousand names weighs as much as thousands of rows."""
    changes = json.dumps({"members": [None, [f"user {number}" for number in range(10_000)]]})
    await service.write(
        "INSERT INTO audit_events (created_at, request_id, action, subject_type, subject_id, subject_label, changes)"
        " VALUES ($1, 'r', 'UPDATED', 'GROUP', 1, 'Web', $2)",
        now(),
        changes,
    )
    for limit, codes in ((1_000, []), (500, ["ANSWER_TOO_LARGE"])):
        monkeypatch.setattr(runs, "MOST_VALUES", limit)
        assert await service.codes("{ auditEvents(first: 1) { nodes { changes } } }") == codes
    assert await service.codes("{ auditEvents(first: 1) { nodes { action } } }") == []


async def test_documents_are_kept_within_bounds(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients that write values into their documents send a new one each time."""
    documents = service.app.state.engine.documents
    monkeypatch.setattr(kept, "MOST_DOCUMENTS", 5)
    for number in range(20):
        await service.data(f"{{ a{number}: me {{ id }} }}")
    assert documents.sizes() == (5, 5)
    monkeypatch.setattr(kept, "MOST_CHARACTERS", 2_000)
    for number in range(5):
        assert await service.codes(f"{{ {'x' * 900}{number}: me {{ id }} }}") == []
    assert documents.sizes() == (2, 2)
    query = "query ($size: Int) { users(first: $size) { nodes { id } } }"
    for size in range(1, 40):
        await service.data(query, {"size": size})
    (plan,) = documents._kept[query].plans.values()
    assert len(plan.bound) == len(documents._kept[query].coerced) == kept.MOST_REMEMBERED


async def test_an_answer_that_a_statement_had_to_cut_off_is_refused(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one that only tells about its pages: the nine users are the rows of their roles."""
    query = "{ roles { users { pageInfo { hasNextPage } } } }"
    for most, codes in ((9, ["ANSWER_TOO_LARGE"]), (10, [])):
        monkeypatch.setattr(loaders, "MOST_ROWS", most)
        monkeypatch.setattr(runs, "MOST_VALUES", runs.A_ROW * (most - 1))
        assert await service.codes(query) == codes, most
