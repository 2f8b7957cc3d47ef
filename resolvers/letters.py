"""The outbox: what a change owes by mail is written in its own transaction and sent later."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from models import bulk
from models.letters import Letter, LetterKind, LetterState
from resolvers.changes import Change
from resolvers.turns import in_turns

MOST_TOLD = 20  # users named in one line of the log

log = logging.getLogger("usergraph.mail")


@dataclass(frozen=True)
class Post:
    """A letter to be: its link holds a token and is kept sealed."""

    kind: LetterKind
    user_id: int
    to_address: str
    link: str
    invitation_id: int | None = None


async def post(change: Change, letters: Sequence[Post]) -> None:
    rows: list[dict[str, Any]] = [
        {
            "kind": letter.kind,
            "state": LetterState.WAITING,
            "user_id": letter.user_id,
            "invitation_id": letter.invitation_id,
            "to_address": letter.to_address,
            "link": change.sealer.seal(letter.link),
            "attempts": 0,
            "next_attempt_at": change.moment,
            "created_at": change.moment,
        }
        async for letter in in_turns(letters)
    ]
    await bulk.insert(change.tx, Letter, rows)
    if rows and not change.settings.smtp_url and not change.dry_run:
        _tell(letters)


def _tell(letters: Sequence[Post]) -> None:
    """Who is to be written to, never what."""
    kind, users = letters[0].kind, ", ".join(f"user_{letter.user_id}" for letter in letters[:MOST_TOLD])
    more = f" and {len(letters) - MOST_TOLD} more" if len(letters) > MOST_TOLD else ""
    log.info("no mail server: %s to %s%s waits in the outbox; links are only in answers", kind, users, more)


def link(change: Change, page: str, token: str) -> str:
    """The address comes from a setting, never from a request. The token stands behind `#`, so no server logs it."""
    return f"{change.settings.public_url.rstrip('/')}/{page}#{token}"
