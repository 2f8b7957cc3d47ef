"""What a source must not do at once: how many may lose access, and when it looks cut short. Pure."""

from collections.abc import Mapping
from typing import Any

from models.errors import Invalid

PERCENT = 5.0
ABSENCES = 2
MOST_ABSENCES = 100
OVERRIDE = "If it is right, send it again with a higher maxDeactivations."


def options_of(
    *,
    missing: str | None = None,
    max_deactivations: Mapping[str, Any] | None = None,
    absences_before: int | None = None,
    expected_count: int | None = None,
) -> dict[str, Any]:
    """The options of a job as it keeps them. Raises Invalid."""
    limit = max_deactivations or {}
    users, percent = limit.get("users"), limit.get("percent")
    if users is not None and users < 0:
        raise Invalid("maxDeactivations", "users", reason="This many users is 0 or more.")
    if percent is not None and not 0 <= percent <= 100:
        raise Invalid("maxDeactivations", "percent", reason="A percentage is 0 to 100.")
    if absences_before is not None and not 1 <= absences_before <= MOST_ABSENCES:
        raise Invalid("absencesBefore", reason=f"absencesBefore is 1 to {MOST_ABSENCES}.")
    if expected_count is not None and expected_count < 1:
        raise Invalid("expectedCount", reason="expectedCount is 1 or more.")
    return {
        "missing": missing or "KEEP",
        "max_users": users,
        "max_percent": percent,
        "absences_before": ABSENCES if absences_before is None else absences_before,
        "expected_count": expected_count,
    }


def limit(options: Mapping[str, Any], known: int) -> int:
    """How many of the known users of a source may lose access in one run: by default 5 %, and always one."""
    if options.get("max_users") is not None:
        return int(options["max_users"])
    percent = options.get("max_percent")
    share = int(known * (PERCENT if percent is None else percent) / 100)
    return max(share, 0 if percent == 0 else 1)


def cut_short(options: Mapping[str, Any], named: int, known: int) -> str | None:
    """Why a full source looks as if a part of it were missing; `known` counts users with access."""
    expected = options.get("expected_count")
    if expected is not None and named != expected:
        return f"The source names {named} users, not the {expected} of expectedCount. Send it again as a whole."
    if not named:
        return "The source names nobody. An empty directory is never applied: look at what was sent or read."
    most = limit(options, known)
    if named < known - most:
        return (
            f"The source names {named} users where {known} are known, fewer by more than the {most} that may go at"
            f" once: it looks cut short. {OVERRIDE}"
        )
    return None


def too_many(options: Mapping[str, Any], deactivations: int, known: int) -> str | None:
    most = limit(options, known)
    if deactivations <= most:
        return None
    return (
        f"This would deactivate {deactivations} of {known} known users, more than the {most} that may go at once."
        f" Look at the rows with the action DEACTIVATE. {OVERRIDE}"
    )
