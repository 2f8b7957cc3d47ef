"""Normal forms: which spellings are one identity, what is refused, and the same answers from both databases."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import values
from models.errors import Invalid, Refusal, Required
from tests.service import Service, codes

UPSERT = """mutation ($users: [UpsertUserInput!]!) { upsertUsers(input: {users: $users, errorPolicy: REJECT_FAILED}) {
  errors { code message }
  results { action matchedBy changedFields user { username email name } errors { code path } } } }"""
CREATE = """mutation ($username: String!, $email: String!, $name: String!) { createUser(input: {username: $username,
  email: $email, name: $name, role: {name: "Normal user"}, authentication: {apiOnly: true}}) {
  user { username email name } errors { code path } } }"""
WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=40)


@given(WORDS)
@settings(max_examples=300, deadline=None)
def test_a_normal_form_is_its_own_normal_form_in_every_unicode_form(text: str) -> None:
    normal = values.key(text)
    assert values.key(normal) == normal
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        assert values.key(unicodedata.normalize(form, text)) == normal
    assert values.key(f"  {text}\t ") == normal
    assert values.key(text.casefold()) == normal


@given(WORDS)
@settings(max_examples=200, deadline=None)
def test_what_is_kept_is_what_was_typed_and_fits_its_column(text: str) -> None:
    try:
        kept = values.clean(text, what="It")
    except (Invalid, Required):
        return
    assert kept == unicodedata.normalize("NFC", text.strip())
    assert 0 < len(values.key(kept)) <= 255
    assert values.clean(kept, what="It") == kept


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Admin", "aDMIN", True),
        ("\u00c9mile", "e\u0301mile", True),
        ("stra\u00dfe", "STRASSE", True),
        ("\u212aim", "kim", True),
        ("\uff41\uff44\uff4d\uff49\uff4e", "admin", True),
        ("\ufb01n", "fin", True),
        ("\u00b5", "\u03bc", True),
        ("a \u00a0 b", "a b", True),
        ("\u0131", "i", False),
        ("\u0130", "i", False),
        ("\u0430dmin", "admin", False),
        ("admin.", "admin", False),
    ],
)
def test_spellings_of_one_name(one: str, other: str, same: bool) -> None:
    assert (values.key(one) == values.key(other)) is same


@pytest.mark.parametrize(
    ("typed", "kept", "normal"),
    [
        ("A@X.org", "A@X.org", "a@x.org"),
        (" a@x.org ", "a@x.org", "a@x.org"),
        ("e\u0301@x.org", "\u00e9@x.org", "\u00e9@x.org"),
        ("Stra\u00dfe@x.org", "Stra\u00dfe@x.org", "strasse@x.org"),
        ("\u212a@x.org", "\u212a@x.org", "k@x.org"),
        ("a@M\u00dcNCHEN.de", "a@M\u00dcNCHEN.de", "a@xn--mnchen-3ya.de"),
        ("a@xn--mnchen-3ya.de", "a@xn--mnchen-3ya.de", "a@xn--mnchen-3ya.de"),
        ("=cmd|x@x.org", "=cmd|x@x.org", "=cmd|x@x.org"),
        ("o'neil+tag@x.org", "o'neil+tag@x.org", "o'neil+tag@x.org"),
    ],
)
def test_an_address_is_kept_as_typed_and_found_by_its_normal_form(typed: str, kept: str, normal: str) -> None:
    assert values.email(typed) == (kept, normal)
    assert values.email_key(kept) == values.email_key(normal) == normal


BAD_EMAILS = [
    "a\uff20x.org",
    "a\u200d@x.org",
    "a\u202e@x.org",
    "a@\u202ex.org",
    "a@x.org.",
    "a@x",
    "ax.org",
    "a@b@x.org",
    "a..b@x.org",
    '"a b"@x.org',
    "a\r\nb@x.org",
    "a@x.org\r\nBcc: b@x.org",
    "<a@x.org>",
    "a@[127.0.0.1]",
    "x" * 309 + "@example.org",
]


@pytest.mark.parametrize("typed", BAD_EMAILS)
def test_what_is_no_address_is_refused_and_looks_for_nobody(typed: str) -> None:
    with pytest.raises(Refusal) as refused:
        values.email(typed, "email")
    assert refused.value.code == "INVALID"
    assert list(refused.value.path) == ["email"]
    assert values.email_key(typed) == values.key(typed)


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("\u0430dmin", "INVALID"),
        ("\u03a9mega", "INVALID"),
        ("a b", "INVALID"),
        ("a\u00a0b", "INVALID"),
        ("a\u200db", "INVALID"),
        ("a\u202eb", "INVALID"),
        ("a\nb", "INVALID"),
        ("x" * 256, "INVALID"),
        ("\ufdfa" * 20, "INVALID"),
        (" ", "REQUIRED"),
        ("\u3164", "INVALID"),
    ],
)
def test_usernames_that_mislead_are_refused(typed: str, code: str) -> None:
    with pytest.raises(Refusal) as refused:
        values.username(typed, "username")
    assert refused.value.code == code


@pytest.mark.parametrize(
    "typed", ["\u0430\u0434\u043c\u0438\u043d", "\u03c9\u03bc\u03ad\u03b3\u03b1", "O\u2019Neil", "x."]
)
def test_usernames_of_one_alphabet_are_taken(typed: str) -> None:
    assert values.username(f" {typed} ") == unicodedata.normalize("NFC", typed)


@pytest.mark.parametrize(
    ("typed", "normal"),
    [
        ("CN=Jane , DC=X", "cn=jane,dc=x"),
        ("cn=Smith\\, Jane,dc=x", "cn=smith\\, jane,dc=x"),
        ("cn=a + sn=b,dc=x", "cn=a+sn=b,dc=x"),
        ("cn=J\u00dcRGEN,dc=x", "cn=j\u00fcrgen,dc=x"),
    ],
)
def test_a_login_dn_has_one_normal_form(typed: str, normal: str) -> None:
    assert values.login_dn(typed) == (typed, normal)


@pytest.mark.parametrize("typed", ["jane", "cn=", "cn=jane,", "=x,dc=y", "cn=a\nb,dc=x", "cn=" + "x" * 1100])
def test_what_is_no_login_dn_is_refused(typed: str) -> None:
    with pytest.raises(Refusal):
        values.login_dn(typed, "loginDn")


@given(st.lists(st.text("ab| ", max_size=12), max_size=5))
@settings(deadline=None)
def test_bars_separate_values_and_blanks_are_none(texts: list[str]) -> None:
    assert values.split(texts) == [part.strip() for text in texts for part in text.split("|") if part.strip()]


async def test_spellings_of_one_address_are_one_user(service: Service) -> None:
    pairs = [
        ("A@x.org", "a@X.ORG"),
        ("\u00e9mile@x.org", "E\u0301MILE@x.org"),
        ("stra\u00dfe@x.org", "STRA\u1e9eE@x.org"),
        ("\u00c5se@x.org", "a\u030aSE@x.org"),
        ("jo@m\u00fcnchen.de", "jo@xn--mnchen-3ya.de"),
    ]
    first = await service.data(UPSERT, {"users": [{"email": typed} for typed, _ in pairs]})
    assert [row["action"] for row in first["upsertUsers"]["results"]] == ["CREATED"] * len(pairs)
    before = await service.snapshot()
    again = await service.data(UPSERT, {"users": [{"email": typed} for _, typed in pairs]})
    rows = again["upsertUsers"]["results"]
    assert [(row["action"], row["matchedBy"], row["errors"]) for row in rows] == [("UNCHANGED", "EMAIL", [])] * 5
    composed = [unicodedata.normalize("NFC", typed) for typed, _ in pairs]
    assert [row["user"]["email"] for row in rows] == composed
    assert await service.snapshot() == before
    other = await service.data(UPSERT, {"users": [{"email": "\u0131@x.org"}, {"email": "i@x.org"}]})
    assert [row["action"] for row in other["upsertUsers"]["results"]] == ["CREATED", "CREATED"]


async def test_misleading_identities_are_refused_and_nothing_is_stored(service: Service) -> None:
    before = await service.snapshot()
    data = await service.data(UPSERT, {"users": [{"email": email} for email in BAD_EMAILS]})
    assert [codes(row["errors"]) for row in data["upsertUsers"]["results"]] == [["INVALID"]] * len(BAD_EMAILS)
    huge = "x" * 900_000  # as much as a request may have
    for username, email, name, path in (
        ("\u0430dmin", "new@x.org", "New", "username"),
        ("new", "\uff20x.org", "New", "email"),
        ("new", "new@x.org", huge, "name"),
        ("new", "new@x.org", "New\u202eweN", "name"),
        ("user_1", "new@x.org", "New", "username"),
    ):
        answer = await service.data(CREATE, {"username": username, "email": email, "name": name})
        assert answer["createUser"] == {"user": None, "errors": [{"code": "INVALID", "path": [path]}]}
    assert await service.snapshot() == before


async def test_a_username_left_out_obeys_the_same_rules(service: Service) -> None:
    """It becomes the address, which may hold what no username may."""
    rows = [{"email": "\u0430dmin@x.org"}, {"email": "\ufdfa" * 14 + "@example.org"}]
    body = await service.ask(UPSERT, {"users": rows})
    assert "errors" not in body, body
    results = body["data"]["upsertUsers"]["results"]
    assert [(row["action"], codes(row["errors"])) for row in results] == [("FAILED", ["INVALID"])] * 2


async def test_names_of_others_are_taken_whatever_they_were_used_for(service: Service) -> None:
    """A username that is somebody's address or id would let two people answer to one name."""
    before = await service.snapshot()
    for username, email, path in (
        ("NORMAL@usergraph.test", "new@x.org", "username"),
        ("NoRmAl", "new@x.org", "username"),
        ("\uff4eormal", "new@x.org", "username"),
        ("new", "Normal@Usergraph.TEST", "email"),
    ):
        answer = await service.data(CREATE, {"username": username, "email": email, "name": "New"})
        assert answer["createUser"] == {"user": None, "errors": [{"code": "TAKEN", "path": [path]}]}
    assert await service.snapshot() == before


async def test_markup_and_formulas_in_names_are_kept_as_they_are(service: Service) -> None:
    names = ["<script>alert(1)</script>", "=cmd|'/C calc'!A0", 'O\'Neil "Bobby"; DROP TABLE users', "{{7*7}} $1 %s"]
    for place, name in enumerate(names):
        made = await service.data(CREATE, {"username": f"n{place}", "email": f"n{place}@x.org", "name": name})
        assert made["createUser"] == {
            "user": {"username": f"n{place}", "email": f"n{place}@x.org", "name": name},
            "errors": [],
        }
        assert await service.scalar("SELECT name FROM users WHERE username_key = $1", f"n{place}") == name
        found = await service.data(
            "query ($n: String!) { users(where: {name: {eq: $n}}) { nodes { name } } }", {"n": name}
        )
        assert found["users"]["nodes"] == [{"name": name}]
