"""Password hashes that other systems made: which are taken in, at what cost at most, and whether a password is theirs.

Forms: argon2 (PHC string), bcrypt, PBKDF2 and scrypt as passlib, Django, OpenLDAP and 389 Directory Server write
them.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import bcrypt
from argon2 import PasswordHasher, extract_parameters
from argon2.exceptions import InvalidHashError, VerificationError

from models.errors import Invalid

LONGEST = 512  # characters
MOST_MEMORY = 128 * 2**20  # bytes that one comparison may take
MOST_PASSES = 2**30  # bytes of memory times how often they are gone through
MOST_ITERATIONS = 2_000_000
MOST_BCRYPT_COST = 15
MOST_LANES = 16
BCRYPT_BYTES = 72  # of a password: it knows no more
FEWEST_BYTES = 16  # of a digest

# What Django, OpenLDAP and others put before a hash that is otherwise in a form of its own.
_WRAPPED = re.compile(r"\A(?:\{(?:CRYPT|BCRYPT|ARGON2)\}|bcrypt\$|argon2(?=\$argon2))(?=\$)", re.IGNORECASE)
_BCRYPT = re.compile(r"\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}")
_ARGON2 = re.compile(r"\$argon2(?:id|i|d)\$v=\d+\$m=\d+,t=\d+,p=\d+\$[A-Za-z0-9+/]+\$[A-Za-z0-9+/]+")
_PBKDF2 = (
    re.compile(r"\$pbkdf2(?:-(?P<kind>sha256|sha512))?\$(?P<n>\d{1,10})\$(?P<salt>[^$]*)\$(?P<sum>[^$]+)"),
    re.compile(r"\{PBKDF2(?:-(?P<kind>SHA1|SHA256|SHA512))?\}(?P<n>\d{1,10})\$(?P<salt>[^$]*)\$(?P<sum>[^$]+)"),
)
_DJANGO_PBKDF2 = re.compile(r"pbkdf2_(?P<kind>sha1|sha256)\$(?P<n>\d{1,10})\$(?P<salt>[^$]+)\$(?P<sum>[^$]+)")
# 389 Directory Server: base64 of the number of iterations (4 bytes), the salt (64 bytes) and the digest (256 bytes).
_BINARY_PBKDF2 = re.compile(r"\{PBKDF2_(?P<kind>SHA1|SHA256|SHA512)\}(?P<data>[A-Za-z0-9+/]+={0,2})", re.IGNORECASE)
_BINARY_SALT = 64
_SCRYPT = re.compile(r"\$scrypt\$ln=(?P<ln>\d{1,2}),r=(?P<r>\d{1,6}),p=(?P<p>\d{1,6})\$(?P<salt>[^$]*)\$(?P<sum>[^$]+)")
_DJANGO_SCRYPT = re.compile(r"scrypt\$(?P<n>\d{1,10})\$(?P<salt>[^$]+)\$(?P<r>\d{1,6})\$(?P<p>\d{1,6})\$(?P<sum>[^$]+)")
_argon2 = PasswordHasher()

KNOWN = (
    "bcrypt ($2b$…), argon2 ($argon2id$…), PBKDF2 (pbkdf2_sha256$…, $pbkdf2-sha256$…, {PBKDF2_SHA256}…)"
    " or scrypt ($scrypt$…)"
)


class _TooCostly(Exception):
    """Comparing with this hash would take more than a sign-in may take."""


class _Unknown(Exception):
    """Of no form that is known here."""


@dataclass(frozen=True)
class _Pbkdf2:
    kind: str
    iterations: int
    salt: bytes
    digest: bytes

    def check(self) -> None:
        blocks = -(-len(self.digest) // hashlib.new(self.kind).digest_size)
        _bounded("iterations", self.iterations * blocks, MOST_ITERATIONS)

    def fits(self, password: bytes) -> bool:
        made = hashlib.pbkdf2_hmac(self.kind, password, self.salt, self.iterations, len(self.digest))
        return hmac.compare_digest(made, self.digest)


@dataclass(frozen=True)
class _Scrypt:
    n: int
    r: int
    p: int
    salt: bytes
    digest: bytes

    def check(self) -> None:
        if self.n < 2 or self.n & (self.n - 1):
            raise _Unknown
        _bounded("bytes of memory", 128 * self.n * self.r, MOST_MEMORY)
        _bounded("bytes of memory in all its passes", 128 * self.n * self.r * self.p, MOST_PASSES)

    def fits(self, password: bytes) -> bool:
        memory = 128 * self.r * (self.n + self.p + 2) + 2**20
        size = len(self.digest)
        made = hashlib.scrypt(password, salt=self.salt, n=self.n, r=self.r, p=self.p, maxmem=memory, dklen=size)
        return hmac.compare_digest(made, self.digest)


@dataclass(frozen=True)
class _Bcrypt:
    text: str

    def check(self) -> None:
        cost = int(self.text[4:6])
        if cost < 4:
            raise _Unknown
        _bounded("as bcrypt's cost", cost, MOST_BCRYPT_COST)

    def fits(self, password: bytes) -> bool:
        """What bcrypt cannot see whole is not its password: other programs cut it off, and then any ending fits."""
        whole = len(password) <= BCRYPT_BYTES and b"\0" not in password
        made = bcrypt.checkpw(password.replace(b"\0", b"?")[:BCRYPT_BYTES], self.text.encode())
        return made and whole


@dataclass(frozen=True)
class _Argon2:
    text: str

    def check(self) -> None:
        try:
            asked = extract_parameters(self.text)
        except InvalidHashError as error:
            raise _Unknown from error
        if asked.hash_len < FEWEST_BYTES or min(asked.time_cost, asked.parallelism, asked.salt_len - 7) < 1:
            raise _Unknown
        memory = asked.memory_cost * 2**10
        _bounded("bytes of memory", memory, MOST_MEMORY)
        _bounded("bytes of memory in all its passes", memory * asked.time_cost, MOST_PASSES)
        _bounded("lanes", asked.parallelism, MOST_LANES)

    def fits(self, password: bytes) -> bool:
        try:
            return _argon2.verify(self.text, password)
        except (VerificationError, InvalidHashError):
            return False


_Form = _Pbkdf2 | _Scrypt | _Bcrypt | _Argon2


def checked(text: str, *path: str | int) -> str:
    """The hash as it is kept. Raises Invalid where it is of no known form or would cost too much to compare with."""
    kept = _WRAPPED.sub("", text.strip(), count=1)
    try:
        _form(kept).check()
    except _TooCostly as error:
        raise Invalid(*path, reason=f"This password hash asks for too much: {error}. Reset the password.") from error
    except _Unknown as error:
        raise Invalid(*path, reason=f"This is no password hash that is known here: {KNOWN}.") from error
    return kept


def verify(text: str, password: bytes) -> bool:
    """Whether the password is this hash's. A hash that would be refused today fits nothing."""
    try:
        form = _form(text)
        form.check()
    except (_TooCostly, _Unknown):
        return False
    return form.fits(password)


def _form(text: str) -> _Form:
    if len(text) > LONGEST or not text.isascii():
        raise _Unknown
    if _BCRYPT.fullmatch(text):
        return _Bcrypt(text)
    if _ARGON2.fullmatch(text):
        return _Argon2(text)
    for pattern, read in _READERS.items():
        if found := pattern.fullmatch(text):
            return read(found.groupdict())
    raise _Unknown


def _pbkdf2(found: Mapping[str, str]) -> _Form:
    kind = (found["kind"] or "sha1").lower()
    return _Pbkdf2(kind, _number(found["n"]), _bytes(found["salt"]), _digest(found["sum"]))


def _django_pbkdf2(found: Mapping[str, str]) -> _Form:
    return _Pbkdf2(found["kind"], _number(found["n"]), found["salt"].encode(), _digest(found["sum"]))


def _binary_pbkdf2(found: Mapping[str, str]) -> _Form:
    data = _bytes(found["data"])
    iterations, salt, digest = int.from_bytes(data[:4], "big"), data[4 : 4 + _BINARY_SALT], data[4 + _BINARY_SALT :]
    if iterations < 1 or len(digest) < FEWEST_BYTES:
        raise _Unknown
    return _Pbkdf2(found["kind"].lower(), iterations, salt, digest)


def _scrypt(found: Mapping[str, str]) -> _Form:
    costs = 2 ** _number(found["ln"]), _number(found["r"]), _number(found["p"])
    return _Scrypt(*costs, _bytes(found["salt"]), _digest(found["sum"]))


def _django_scrypt(found: Mapping[str, str]) -> _Form:
    costs = _number(found["n"]), _number(found["r"]), _number(found["p"])
    return _Scrypt(*costs, found["salt"].encode(), _digest(found["sum"]))


_READERS: dict[re.Pattern[str], Callable[[Mapping[str, str]], _Form]] = {
    **dict.fromkeys(_PBKDF2, _pbkdf2),
    _DJANGO_PBKDF2: _django_pbkdf2,
    _BINARY_PBKDF2: _binary_pbkdf2,
    _SCRYPT: _scrypt,
    _DJANGO_SCRYPT: _django_scrypt,
}


def _bounded(what: str, asked: int, most: int) -> None:
    if asked > most:
        raise _TooCostly(f"{asked:,} {what}, where {most:,} are the most")


def _number(text: str) -> int:
    if int(text) < 1:
        raise _Unknown
    return int(text)


def _bytes(text: str) -> bytes:
    """Base64 with or without its padding; passlib writes `.` where others write `+`."""
    plain = text.rstrip("=").replace(".", "+")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except binascii.Error as error:
        raise _Unknown from error


def _digest(text: str) -> bytes:
    found = _bytes(text)
    if len(found) < FEWEST_BYTES:
        raise _Unknown
    return found
