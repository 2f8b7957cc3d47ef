"""What may become a password: long enough for who has no second factor, whole, and not guessable."""

import re
from collections.abc import Sequence
from threading import Lock

from zxcvbn import zxcvbn

from models.errors import WeakPassword
from resolvers.changes import Before
from resolvers.hashing import MOST_BYTES

PRODUCT = "usergraph"
# zxcvbn's scores: 3 withstands 10^10 guesses, 2 withstands 10^8, which is what eight random characters do.
LEAST = 3
LEAST_WITH_FACTOR = 2
# Its time grows with the square of the length, and worse: whoever is strong up to here is strong.
WEIGHED = 40
_ONE_AT_A_TIME = Lock()  # it keeps the user's own words in a dictionary that all its callers share


async def check_password(
    before: Before, password: str, *path: str | int, about: Sequence[str] = (), has_factor: bool = False
) -> None:
    """Raises WeakPassword, which says what to do. `about`: the user's own names and address."""
    settings = before.settings
    fewest = settings.password_length_with_factor if has_factor else settings.password_length
    _require_well_formed(password, fewest, *path)
    least = LEAST_WITH_FACTOR if has_factor else LEAST
    reason = await before.hasher.run(_guessable, password, least, (*about, PRODUCT))
    if reason is not None:
        raise WeakPassword(*path, reason=reason)


def _require_well_formed(password: str, fewest: int, *path: str | int) -> None:
    if len(password) < fewest:
        reason = f"A password has at least {fewest} characters. Several words do well."
        raise WeakPassword(*path, reason=reason, minimum=fewest)
    try:
        size = len(password.encode())
    except UnicodeEncodeError:
        reason = "A password consists of whole characters, without halves of surrogate pairs. Type it again."
        raise WeakPassword(*path, reason=reason) from None
    if size > MOST_BYTES:
        raise WeakPassword(*path, reason=f"A password has at most {MOST_BYTES} bytes.", limit=MOST_BYTES)
    if "\0" in password:
        raise WeakPassword(*path, reason="A password has no NUL character. Type it again.")


def _guessable(password: str, least: int, about: Sequence[str]) -> str | None:
    whole = {word.casefold() for word in about}
    if password.casefold().strip() in whole:
        return "This password is a name or an address of yours. Several unrelated words do well."
    parts = {part for word in whole for part in re.split(r"[\W_]+", word) if len(part) > 2}
    with _ONE_AT_A_TIME:
        found = zxcvbn(password[:WEIGHED], sorted(whole | parts))
    if found["score"] >= least:
        return None
    feedback = found["feedback"]
    advice = [feedback["warning"], *feedback["suggestions"]]
    return " ".join(["This password is easy to guess.", *(text for text in advice if text)])
