"""Sealing: what must be read back (a token that waits in the outbox) is encrypted at rest."""

import hashlib
import hmac
import os
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from models.settings import BadSetting

MAKE_ONE = 'python -c "from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())"'


class Sealer:
    """Fernet with one or more keys, newest first; several, separated by commas, allow rotation."""

    def __init__(self, keys: str) -> None:
        try:
            fernets = [Fernet(part.strip()) for part in keys.split(",")]
        except ValueError as error:
            raise BadSetting(f"USERGRAPH_SECRET_KEY is not a key. Make one: {MAKE_ONE}") from error
        self._fernet, self._newest = MultiFernet(fernets), fernets[0]
        self._marking = [hashlib.sha256(f"mark:{part.strip()}".encode()).digest() for part in keys.split(",")]

    def seal(self, text: str) -> str:
        return self._fernet.encrypt(text.encode()).decode()

    def mark(self, content: bytes) -> str:
        """What tells contents apart, and tells nobody without a key whether a guess at them is right."""
        return hmac.new(self._marking[0], content, "sha256").hexdigest()

    def is_marked(self, content: bytes, mark: str) -> bool:
        marks = [hmac.new(key, content, "sha256").hexdigest() for key in self._marking]
        return any(hmac.compare_digest(each, mark) for each in marks)

    def open(self, sealed: str) -> str | None:
        """The text, or None where it was sealed with a key that is gone."""
        try:
            return self._fernet.decrypt(sealed).decode()
        except InvalidToken:
            return None

    def reseal(self, sealed: str) -> str | None:
        """The same text sealed with the newest key; `sealed` itself where it is, None where its key is gone."""
        try:
            self._newest.decrypt(sealed)
        except InvalidToken:
            text = self.open(sealed)
            return None if text is None else self.seal(text)
        return sealed


def sealer(secret_key: str, database_file: Path | None) -> Sealer:
    """The sealer of the settings, or of a key file beside the SQLite database, made at the first start."""
    if secret_key:
        return Sealer(secret_key)
    if database_file is None:
        raise BadSetting(
            f"USERGRAPH_SECRET_KEY is needed with PostgreSQL, the same on every host. Make one: {MAKE_ONE}"
        )
    file = database_file.with_suffix(".key")
    try:
        if not file.exists():
            _make_key_file(file)
        return Sealer(file.read_text())
    except OSError as error:
        raise BadSetting(f"USERGRAPH_DATABASE_URL: the key file {file} cannot be used: {error}") from error


def _make_key_file(file: Path) -> None:
    """Two processes starting together agree on one key: the first to link its file wins."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = file.with_suffix(f".{os.getpid()}")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
        out.write(Fernet.generate_key())
    try:
        os.link(draft, file)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
