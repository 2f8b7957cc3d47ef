"""Secrets that are handed out once: made at random, kept as digests, told apart by what they are for."""

import hashlib
import hmac
import secrets
from enum import StrEnum


class Purpose(StrEnum):
    """Digests are bound to a purpose: an invitation's token opens no session and resets no password."""

    API_KEY = "ug"
    INVITATION = "ugi"
    PASSWORD_RESET = "ugr"  # noqa: S105
    SESSION = "ugs"
    RECOVERY_CODE = "ugc"


def make(purpose: Purpose) -> str:
    return f"{purpose}_{secrets.token_urlsafe(32)}"


def digest(purpose: Purpose, token: str) -> str:
    """SHA-256 is enough for 256 random bits; what a person chose goes to argon2 instead."""
    return hashlib.sha256(f"{purpose}:{token}".encode("utf-8", "surrogatepass")).hexdigest()


def same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())
