"""The answers of bulk calls: a result for every row of the input, in its order."""

from collections.abc import Mapping, Sequence
from typing import Any

from models.errors import OthersFailed, Refusal
from models.values import camel
from resolvers.changes import Change
from resolvers.drafts import Draft

COUNTED = ("created", "updated", "unchanged", "deleted", "skipped", "failed")


def error(refusal: Refusal, index: int | None = None) -> dict[str, Any]:
    """A refusal as a `UserError`."""
    path = [str(step) for step in refusal.path]
    values = json_values(refusal)
    return {"code": refusal.code.value, "message": refusal.message, "path": path, "index": index, "values": values}


def json_values(refusal: Refusal) -> dict[str, Any]:
    """The values of a message by their names in GraphQL; what JSON has no type for is text."""
    values = refusal.values.items()
    return {camel(name): each if isinstance(each, bool | int | float) else str(each) for name, each in values}


def accepted(change: Change, drafts: Sequence[Draft], policy: str | None) -> list[Draft]:
    """The rows to store under the error policy. All or nothing: with one bad row the others fail too."""
    good = [draft for draft in drafts if draft.is_good]
    if len(good) == len(drafts) or policy == "REJECT_FAILED":
        return good
    for draft in good:
        draft.refusals.append(OthersFailed(*draft.path))
    change.tx.discard()
    return []


def result(draft: Draft, action: str, **more: Any) -> dict[str, Any]:
    """`FAILED` rows have errors and no user; `SKIPPED` ones would have been stored but for others."""
    skipped = any(isinstance(refusal, OthersFailed) for refusal in draft.refusals)
    return {
        "index": draft.index,
        "ref": draft.given.get("ref"),
        "matchedBy": draft.matched_by,
        "action": action if draft.is_good else "SKIPPED" if skipped else "FAILED",
        "changedFields": [camel(name) for name in draft.changed] if draft.is_good else [],
        "user": draft.user_id if draft.is_good else None,
        "errors": [error(refusal, draft.index) for refusal in draft.refusals],
        **(more if draft.is_good else dict.fromkeys(more)),
    }


def refused_rows(rows: Sequence[Any], refusal: Refusal, most: int) -> list[dict[str, Any]]:
    """The refusal of a whole call as the result of each of its rows, at least one and at most `most`.

    A client that selects only `results` would take an empty list for a success.
    """
    found = []
    for index, row in enumerate(rows[:most] or [None]):
        ref = (row.get("ref") or row.get("id")) if isinstance(row, Mapping) else row
        errors = [error(refusal, index)]
        found.append({"index": index, "ref": ref, "action": "FAILED", "changedFields": [], "errors": errors})
    return found


def payload(results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Errors stand with their rows; those of the call itself are in `errors`."""
    counts: dict[str, int] = {}
    for each in results:
        counts[each["action"]] = counts.get(each["action"], 0) + 1
    summary = {name: counts.get(name.upper(), 0) for name in COUNTED}
    return {"results": results, "summary": summary, "errors": []}
