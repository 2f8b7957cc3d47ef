"""Password hashes from other systems: taken in within bounds, right for their password and no other, told to nobody."""

import base64
import json
from pathlib import Path
from typing import Any

import bcrypt
import pytest
from argon2 import PasswordHasher
from argon2.low_level import Type

from models.errors import Invalid
from resolvers import foreign_hashes
from resolvers.hashing import Hasher
from tests.server import rows, usergraph
from tests.service import Service, codes
from tests.signing_in import sign_in

RFC_7914 = (
    "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2"
    "d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887"
)
SCRYPT_SUM = base64.b64encode(bytes.fromhex(RFC_7914)).decode().rstrip("=")
DJANGO_SCRYPT = "Qj3+9PPyRjSJIebHnG81TMjsqtaIGxNQG/aEB/NYafTJ7tibgfYz71m0ldQESkXFRkdVCBhhY8mx7rQwite/Pw=="
BCRYPT = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"
ARGON2 = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
# Published vectors: crypt_blowfish, passlib, RFC 6070, Django's own tests, RFC 7914, the reference argon2.
KNOWN = {
    "bcrypt 2a": ("U*U", BCRYPT),
    "bcrypt 2y": ("U*U", BCRYPT.replace("$2a$", "$2y$")),
    "bcrypt, Django": ("U*U", f"bcrypt${BCRYPT}"),
    "bcrypt, OpenLDAP": ("U*U", f"{{CRYPT}}{BCRYPT}"),
    "pbkdf2-sha1, passlib": ("password", "$pbkdf2$4096$c2FsdA$SwB5AbdlSJq.rUnZJvch0GWkKcE"),
    "pbkdf2-sha1, OpenLDAP": ("password", "{PBKDF2-SHA1}4096$c2FsdA$SwB5AbdlSJq.rUnZJvch0GWkKcE"),
    "pbkdf2-sha1, Django": ("password", "pbkdf2_sha1$4096$salt$SwB5AbdlSJq+rUnZJvch0GWkKcE="),
    "pbkdf2-sha256, passlib": (
        "password",
        "$pbkdf2-sha256$1212$4vjV83LKPjQzk31VI4E0Vw$hsYF68OiOUPdDZ1Fg.fJPeq1h/gXXY7acBp9/6c.tmQ",
    ),
    "pbkdf2-sha256, Django": (
        "lètmein",
        "pbkdf2_sha256$260000$seasalt$YlZ2Vggtqdc61YjArZuoApoBh9JNGYoDRBUGu6tcJQo=",
    ),
    "pbkdf2-sha512, passlib": (
        "password",
        "$pbkdf2-sha512$1212$RHY0Fr3IDMSVO/RSZyb5ow$eNLfBK.eVozomMr.1gYa17k9B7KIK25NOEshvhrSX.esqY3s"
        ".FvWZViXz4KoLlQI.BzY/YTNJOiKc5gBYFYGww",
    ),
    "pbkdf2-sha256, 389 Directory Server": (
        "plum violin harbour 41",
        "{PBKDF2-SHA256}10000$6sC4/sY52KmK5nsTvWEtoD4ey3Azojd2$9Uosfgd6E1uFLH3siL00hAP6BM8AvS+qk5cLgGWhP7A=",
    ),
    "pbkdf2-sha256, 389 Directory Server in bytes": (
        "plum violin harbour 41",
        "{PBKDF2_SHA256}AAAgAEoyUzEloghzL4yg6RuGj69JI+sGvTT7ToYEgE065aKk2NCTO/bI1f65YjSfD5qq9ZTpIJb4gXQoMs46d"
        "6RTRlYMSZAyiJdrC3D3ByacJF8gr2WO8Bk4pHkB5WCTUkehmrgK2f18X1XSQOoSBqwEHImHobyCnot+j5FQlOdBHO2Ne+ai+EUds"
        "AZZjNaMqh3mRNoT2qVyU01tJr+2zPS6WUzATE/YYCw7oVJbUr0+ck9dl6BdvPsU5x0zKYeCcowUlU5Ca3Q5m5bPyuiRdOY9dVFoc"
        "eMzFTzSkzcZFeMNyPDj5kx2swhhuAifubUyspNBsdYlY+UXMSybyfUSDaNb2ZMz0zVlxNENp3SXUyHRcSaLDb3BdsJAOWWuYNSg2"
        "sEFQBiVAFd25Dl+2Rd7x6KYOryXeRuOy06Jt7lgKcUXBD8o",
    ),
    "scrypt, passlib": ("pleaseletmein", f"$scrypt$ln=14,r=8,p=1$U29kaXVtQ2hsb3JpZGU${SCRYPT_SUM}"),
    "scrypt, Django": ("lètmein", f"scrypt$16384$seasalt$8$1${DJANGO_SCRYPT}"),
    "argon2i": ("password", "$argon2i$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$wWKIMhR9lyDFvRz9YTZweHKfbftvj+qf+YFY4NeBbtA"),
    "argon2id": ("password", ARGON2),
    "argon2id, Django": ("password", f"argon2{ARGON2}"),
    "argon2id, OpenLDAP": ("password", f"{{ARGON2}}{ARGON2}"),
    "argon2d": ("password", PasswordHasher(time_cost=1, memory_cost=64, parallelism=1, type=Type.D).hash("password")),
}
CREATE = """mutation($input: CreateUserInput!) { createUser(input: $input) {
  user { id hasValidPassword } errors { code message path } } }"""
CHANGE = """mutation($input: ChangePasswordInput!) { changePassword(input: $input) { errors { code path } } }"""
SUM32 = base64.b64encode(b"x" * 32).decode()


def with_hash(passwordHash: Any, **more: Any) -> dict[str, Any]:
    local = {"passwordHash": passwordHash, **more}
    new = {"username": "new", "email": "new@x.test", "name": "New", "role": {"name": "IT"}}
    return {"input": {**new, "authentication": {"local": local}}}


@pytest.mark.parametrize("form", KNOWN)
async def test_a_hash_fits_its_password_and_no_other(form: str) -> None:
    password, text = KNOWN[form]
    kept = foreign_hashes.checked(text, "passwordHash")
    hasher = Hasher(1)
    try:
        assert await hasher.verify(kept, password)
        for other in (password + "x", password[:-1], password.upper() + "!", "", "\ud800", "p\0"):
            assert not await hasher.verify(kept, other)
        assert hasher.is_outdated(kept)
    finally:
        hasher.close()


async def test_only_argon2id_at_todays_cost_is_not_outdated() -> None:
    hasher = Hasher(1)
    try:
        today = await hasher.hash("plum violin harbour 41")
        assert not hasher.is_outdated(today)
        for cost in ({"time_cost": 1}, {"memory_cost": 19_455}, {"parallelism": 2}):
            given = {"time_cost": 2, "memory_cost": 19_456, "parallelism": 1, **cost}
            assert hasher.is_outdated(PasswordHasher(**given).hash("plum violin harbour 41"))
        assert hasher.is_outdated("$argon2id$nonsense")
        assert not await hasher.verify("$argon2id$nonsense", "plum violin harbour 41")
        assert not await hasher.verify("nothing that is known", "plum violin harbour 41")
    finally:
        hasher.close()


async def test_what_bcrypt_would_cut_off_is_not_its_password() -> None:
    text = bcrypt.hashpw(b"v" * 72, bcrypt.gensalt(4)).decode()
    hasher = Hasher(1)
    try:
        assert await hasher.verify(text, "v" * 72)
        for longer in ("v" * 73, "v" * 1024, "v" * 100_000, "v" * 71 + "\0"):
            assert not await hasher.verify(text, longer)
    finally:
        hasher.close()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"$argon2id$v=19$m=4194304,t=1,p=1$c29tZXNhbHQ${SUM32.rstrip('=')}", "4,294,967,296 bytes of memory"),
        (f"$argon2id$v=19$m=131072,t=9,p=1$c29tZXNhbHQ${SUM32.rstrip('=')}", "in all its passes"),
        (f"$argon2id$v=19$m=65536,t=1,p=17$c29tZXNhbHQ${SUM32.rstrip('=')}", "17 lanes"),
        (f"$scrypt$ln=18,r=8,p=1$c2FsdA${SUM32}", "268,435,456 bytes of memory"),
        (f"$scrypt$ln=14,r=8,p=65$c2FsdA${SUM32}", "in all its passes"),
        (f"$scrypt$ln=99,r=1,p=1$c2FsdA${SUM32}", "bytes of memory"),
        (f"scrypt$1073741824$salt$8$1${SUM32}", "bytes of memory"),
        (f"pbkdf2_sha256$2000001$salt${SUM32}", "2,000,001 iterations"),
        (f"$pbkdf2-sha512$9999999999$c2FsdA${SUM32}", "9,999,999,999 iterations"),
        ("$2b$16$" + "a" * 53, "16 as bcrypt's cost"),
        ("{PBKDF2_SHA256}" + base64.b64encode(b"\xff" * 324).decode(), "iterations"),
    ],
)
def test_a_hash_that_asks_for_too_much_is_refused(text: str, said: str) -> None:
    with pytest.raises(Invalid) as caught:
        foreign_hashes.checked(text, "passwordHash")
    assert said in caught.value.message
    assert caught.value.path == ("passwordHash",)
    assert not foreign_hashes.verify(text, b"password")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "plum violin harbour 41",
        "5f4dcc3b5aa765d61d8327deb882cf99",
        "{SSHA}MTIzNDU2Nzg5MDEyMzQ1Njc4OTA=",
        "$1$salt$qJH7.N4xYta3aEG/dfqo/0",
        "$6$salt$" + "a" * 86,
        "$2x$05$" + "a" * 53,
        "$2b$03$" + "a" * 53,
        "$2b$05$" + "a" * 52,
        f"pbkdf2_sha256$0$salt${SUM32}",
        "{PBKDF2_SHA256}" + base64.b64encode(b"\0" * 324).decode(),
        "{PBKDF2_SHA256}" + base64.b64encode(b"\0\0\x20\0" + b"s" * 64).decode(),
        f"pbkdf2_md5$1000$salt${SUM32}",
        "pbkdf2_sha256$1000$salt$eA==",
        "pbkdf2_sha256$1000$salt$???",
        f"scrypt$1000$salt$8$1${SUM32}",
        "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$eA",
        f"$argon2id$v=19$m=64,t=0,p=1$c29tZXNhbHQ${SUM32.rstrip('=')}",
        f"pbkdf2_sha256$1000${'s' * 600}${SUM32}",
        f"pbkdf2_sha256$١٠٠٠$salt${SUM32}",
    ],
)
def test_what_is_no_known_hash_is_refused(text: str) -> None:
    with pytest.raises(Invalid) as caught:
        foreign_hashes.checked(text, "passwordHash")
    assert caught.value.message.startswith("This is no password hash that is known here: bcrypt")
    assert not foreign_hashes.verify(text, b"password")


async def test_a_user_comes_with_a_hash_that_is_told_to_nobody(service: Service) -> None:
    answer = (await service.data(CREATE, with_hash(f" bcrypt${BCRYPT} ")))["createUser"]
    assert answer == {"user": {"id": "user_10", "hasValidPassword": True}, "errors": []}
    assert await service.rows("SELECT password_hash FROM users WHERE id = 10") == [(BCRYPT,)]
    assert BCRYPT[7:] not in str(await service.rows("SELECT changes FROM audit_events"))


async def test_many_users_come_with_hashes(service: Service) -> None:
    document = """mutation($input: UpsertUsersInput!) { upsertUsers(input: $input) {
      results { action user { hasValidPassword } errors { code path message } } } }"""
    users = [
        {"email": f"u{n}@x.test", "authentication": {"local": {"passwordHash": text}}}
        for n, text in enumerate((BCRYPT, ARGON2, "nonsense of theirs"))
    ]
    given = {"users": users, "errorPolicy": "REJECT_FAILED"}
    first, second, third = (await service.data(document, {"input": given}))["upsertUsers"]["results"]
    for good in (first, second):
        assert good == {"action": "CREATED", "user": {"hasValidPassword": True}, "errors": []}
    (error,) = third["errors"]
    assert (error["code"], error["path"][-2:]) == ("INVALID", ["local", "passwordHash"])
    assert "nonsense" not in error["message"]


@pytest.mark.parametrize(
    ("local", "code", "last"),
    [
        ({"passwordHash": "secret nonsense"}, "INVALID", "passwordHash"),
        ({"passwordHash": BCRYPT, "password": "plum violin harbour 41"}, "INVALID", "passwordHash"),
        ({"passwordHash": None}, "REQUIRED", "password"),
    ],
)
async def test_a_hash_that_cannot_be_taken_says_why(service: Service, local: Any, code: str, last: str) -> None:
    before = await service.snapshot()
    given = with_hash(**local)
    answer = (await service.data(CREATE, given))["createUser"]
    assert answer["user"] is None
    assert [(e["code"], e["path"]) for e in answer["errors"]] == [(code, ["authentication", "local", last])]
    assert "secret nonsense" not in json.dumps(answer)
    assert await service.snapshot() == before


async def test_a_hash_needs_the_right_to_set_passwords(service: Service) -> None:
    await service.write("UPDATE roles SET rights = '[\"CREATE_USERS\", \"USE_SELF_SERVICE\"]' WHERE name = 'Read only'")
    given = with_hash(BCRYPT)
    given["input"]["role"] = {"name": "Read only"}
    document = CREATE.replace("user { id hasValidPassword } ", "")
    refused = (await service.data(document, given, who="readonly"))["createUser"]
    assert [(e["code"], e["path"][-1]) for e in refused["errors"]] == [("FORBIDDEN", "passwordHash")]
    given["input"]["authentication"] = {"local": {"password": "plum violin harbour 41"}}
    assert (await service.data(document, given, who="readonly"))["createUser"]["errors"] == []


async def test_a_conversion_takes_no_hash(service: Service) -> None:
    to = {"local": {"passwordHash": BCRYPT}}
    document = """mutation($to: AuthenticationInput!) { convertUsers(input: {conversions: [{id: "user_8", to: $to}]}) {
      results { errors { code } } } }"""
    (result,) = (await service.data(document, {"to": to}))["convertUsers"]["results"]
    assert codes(result["errors"]) == ["INVALID"]


@pytest.mark.parametrize("form", ["bcrypt 2a", "pbkdf2-sha256, Django", "scrypt, passlib", "argon2i"])
async def test_its_owner_proves_it_as_their_current_password(service: Service, form: str) -> None:
    password, text = KNOWN[form]
    await service.write("UPDATE users SET password_hash = $1 WHERE id = 4", text)
    for current, expected in ((password + " ", ["WRONG_PASSWORD"]), (password, [])):
        given = {"id": "user_4", "newPassword": "amber ladder quiet 77", "currentPassword": current}
        answer = (await service.data(CHANGE, {"input": given}, who="normal"))["changePassword"]
        assert codes(answer["errors"]) == expected
    stored = await service.scalar("SELECT password_hash FROM users WHERE id = 4")
    assert stored.startswith("$argon2id$")


@pytest.mark.parametrize("form", ["bcrypt, OpenLDAP", "pbkdf2-sha1, passlib", "scrypt, Django", "argon2d"])
async def test_the_next_sign_in_makes_it_one_of_ours(service: Service, form: str) -> None:
    password, text = KNOWN[form]
    assert (await service.data(CREATE, with_hash(text)))["createUser"]["errors"] == []
    assert (await sign_in(service, "new", password + " "))["session"] is None
    assert await service.scalar("SELECT password_hash FROM users WHERE id = 10") == foreign_hashes.checked(text)
    for _ in ("by the old hash", "by the new one"):
        assert (await sign_in(service, "new", password))["errors"] == []
    stored = await service.scalar("SELECT password_hash FROM users WHERE id = 10")
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")


def test_a_file_brings_hashes(tmp_path: Path) -> None:
    usergraph(tmp_path, "admin", "key", "admin")
    file = tmp_path / "people.csv"
    lines = ["email,password_hash", f"a@x.test,{BCRYPT}", "b@x.test,nonsense", f'c@x.test,"{ARGON2}"']
    file.write_text("\n".join(lines))
    done = usergraph(tmp_path, "import", str(file))
    assert (done.returncode, "2 created" in done.stdout, "1 refused" in done.stdout) == (3, True, True)
    assert "This is no password hash that is known here" in done.stderr
    found = rows(tmp_path, "SELECT email, password_hash FROM users WHERE password_hash IS NOT NULL ORDER BY email")
    assert [tuple(row) for row in found] == [("a@x.test", BCRYPT), ("c@x.test", ARGON2)]
    assert BCRYPT not in done.stdout + done.stderr
