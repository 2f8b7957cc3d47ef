"""Distinguished names: the spellings of one entry have one form, and two entries have two."""

import random
from collections.abc import Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from models.dn import (
    Assertion,
    InvalidDn,
    Rdn,
    dn_key,
    dn_part,
    escape_value,
    first_value,
    format_dn,
    is_dn,
    normalize_dn,
    parse_dn,
    requested_dn,
)

# One type by its names and OIDs; those of Active Directory and of certificates are among them.
NAMES: dict[str, Sequence[str]] = {
    "cn": ("cn", "CN", "commonName", "2.5.4.3", "OID.2.5.4.3", "oid.2.5.4.3"),
    "ou": ("OU", "organizationalUnitName", "2.5.4.11"),
    "o": ("o", "O", "organizationName", "2.5.4.10"),
    "dc": ("DC", "domainComponent", "0.9.2342.19200300.100.1.25"),
    "uid": ("uid", "UserId", "0.9.2342.19200300.100.1.1"),
    "c": ("C", "countryName", "2.5.4.6"),
    "l": ("L", "localityName", "2.5.4.7"),
    "st": ("ST", "S", "stateOrProvinceName", "2.5.4.8"),
    "street": ("STREET", "streetAddress", "2.5.4.9"),
    "sn": ("SN", "surname", "2.5.4.4"),
    "givenname": ("givenName", "GN", "G", "2.5.4.42"),
    "mail": ("mail", "E", "emailAddress", "rfc822Mailbox", "email", "1.2.840.113549.1.9.1"),
    "title": ("title", "T", "2.5.4.12"),
    "serialnumber": ("serialNumber", "2.5.4.5"),
    "x-own": ("x-own", "X-Own"),
    "1.3.6.1.4.1.32473.1": ("1.3.6.1.4.1.32473.1", "OID.1.3.6.1.4.1.32473.1"),
}


@pytest.mark.parametrize(
    "spelling",
    [
        r"CN=Doe\, John,OU=People,DC=example,DC=com",
        r"cn=Doe\2C John,ou=People,dc=example,dc=com",
        r"cn=Doe\2c\20John,ou=People,dc=example,dc=com",
        r"cn=\44oe\2C\20\4A\6f\68n,ou=People,dc=example,dc=com",
        r" cn = Doe\,  John , ou = People ; dc=example;dc=com ",
        r'commonName="Doe, John",organizationalUnitName=People,domainComponent=example,DC=com',
        r'2.5.4.3="Doe\, John",OID.2.5.4.11=People,0.9.2342.19200300.100.1.25=example,dc=com',
        r"cn=#0C09446F652C204A6F686E,ou=#130650656f706c65,dc=#16076578616d706c65,dc=com",
        r"cn=#1E120044006F0065002C0020004A006F0068006E,ou=People,dc=example,dc=com",
        r"cn=\ Doe\, John\ ,ou=People,dc=example,dc=com",
        r"cn=DOE\, JOHN,ou=PEOPLE,dc=EXAMPLE,dc=COM",
        "cn=Doe\\,\u00a0Jo\u00adhn,ou=People,dc=example,dc=com",
        "cn=\uff24oe\\, John,ou=People,dc=example,dc=com",
    ],
)
def test_spellings_of_one_entry_have_one_form(spelling: str) -> None:
    assert normalize_dn(spelling) == r"cn=doe\, john,ou=people,dc=example,dc=com"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (r"cn=a\,ou=b,dc=x", "cn=a,ou=b,dc=x"),
        (r"cn=a\+sn=b,dc=x", "cn=a+sn=b,dc=x"),
        (r"cn=a\,b,dc=x", r"cn=a,2.5.4.11=b,dc=x"),
        (r"cn=\#41,dc=x", "cn=#040141,dc=x"),
        ("cn=jane,dc=x", "uid=jane,dc=x"),
        ("cn=a+sn=b,dc=x", "cn=a,sn=b,dc=x"),
        ("cn=a,dc=x,dc=y", "cn=a,dc=y,dc=x"),
        ("cn=wei\u00df,dc=x", "cn=weiss,dc=x"),
        ("cn=jos\u00e9,dc=x", "cn=jose,dc=x"),
        (r"cn=\ff,dc=x", r"cn=\fe,dc=x"),
        (r"cn=a\5c,dc=x", r"cn=a,dc=x"),
        ("krbPrincipalName=HTTP/web@X,dc=x", "krbPrincipalName=http/web@X,dc=x"),
        ("memberUid=Jane,dc=x", "memberUid=jane,dc=x"),
        ("uid=jane#user_18,dc=x", "uid=jane,dc=x"),
    ],
)
def test_two_entries_have_two_forms(one: str, other: str) -> None:
    assert normalize_dn(one) != normalize_dn(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("cn=a+sn=b,dc=x", "SN=B + CN=A,dc=x"),
        ("cn=a+sn=b+uid=c,dc=x", "uid=c+cn=a+sn=b,dc=x"),
        ("cn=Jos\u00e9,dc=x", "cn=Jose\u0301,dc=x"),
        ("cn=JOS\u00c9,dc=x", r"cn=jos\c3\a9,dc=x"),
        ("cn=\u039f\u0394\u039f\u03a3,dc=x", "cn=\u03bf\u03b4\u03bf\u03c2,dc=x"),
        (r"CN=Old\0ADEL:8f2d,CN=Deleted Objects,DC=x", "cn=old\\0adel:8f2d,cn=deleted  objects,dc=x"),
        (r"cn=a\=b,dc=x", "cn=a=b,dc=x"),
        (r"cn=\<a\>\;\"\\,dc=x", r"cn=\3ca\3e\3b\22\5c,dc=x"),
        ("1.3.6.1.4.1.1466.0=#04024869,dc=x", "1.3.6.1.4.1.1466.0=Hi,dc=x"),
        ("cn=#0406ff,dc=x", "CN=#0406FF,DC=x"),
    ],
)
def test_what_is_insignificant_makes_no_difference(one: str, other: str) -> None:
    assert normalize_dn(one) == normalize_dn(other)


@pytest.mark.parametrize(
    "text",
    ["", " ", "jane", "jane@example.com", "CORP\\jane", "=x", "cn=", "cn= ,dc=x", "cn=a,", ",cn=a", "cn=a,,dc=x",
     "cn=a+",
     "cn=a\\", 'cn="a', "cn=#", "cn=#0", "cn=#0g", "1=a", "1.=a", "c n=a", "cn;lang-de=a", "\\63n=a", "\u0441n=a"],
)  # fmt: skip
def test_what_is_no_dn_is_refused_and_stands_for_itself(text: str) -> None:
    with pytest.raises(InvalidDn):
        parse_dn(text)
    assert (is_dn(text), dn_key(text), first_value(text)) == (False, text, "")


def test_values_are_read_without_their_escapes() -> None:
    assert first_value(r"cn=Left\, Right\ ,ou=x") == "Left, Right "
    assert first_value(r"cn=Lee\, Ann \+ \22Q\" \#1,ou=x") == 'Lee, Ann + "Q" #1'
    assert parse_dn("cn=a + sn=b , dc=x") == (
        (Assertion("cn", "a"), Assertion("sn", "b")),
        (Assertion("dc", "x"),),
    )


@pytest.mark.parametrize(
    ("typed", "part"),
    [
        ("Doe, John", r"doe\, john"),
        (r"Doe\2C John", r"doe\, john"),
        (",OU=People , DC=example", ",ou=people,dc=example"),
        ("2.5.4.11=People", "ou=people"),
        ("CN=Jo", "cn=jo"),
        ("cn=", "cn="),
        ("R&D <b>", r"r&d \<b\>"),
    ],
)
def test_pieces_are_looked_for_as_they_stand_in_the_form(typed: str, part: str) -> None:
    assert dn_part(typed) == part


# --- generated ----------------------------------------------------------------------------------------------------

TEXTS = st.text(
    st.one_of(
        st.sampled_from(" ,+=\"\\<>;#\u00e9\u00df\u00c4\u03a3Zaz09@'-._"),
        st.characters(min_codepoint=0x20, max_codepoint=0x2FFF, exclude_categories=["Cs", "Cn"]),
    ),
    min_size=1,
    max_size=12,
)
ASSERTIONS = st.tuples(st.sampled_from(sorted(NAMES)), TEXTS)
ENTRIES = st.lists(st.lists(ASSERTIONS, min_size=1, max_size=3), min_size=1, max_size=4)


def printed(entry: Sequence[Sequence[tuple[str, str]]]) -> str:
    """The plainest spelling: main names, every sign that means something escaped by a backslash."""
    return format_dn(tuple(tuple(Assertion(*each) for each in rdn) for rdn in entry))


def spelled(dice: random.Random, entry: Sequence[Sequence[tuple[str, str]]]) -> str:
    """Another spelling of the same entry."""

    def value(text: str) -> str:
        way = dice.randrange(4)
        if way == 0:
            return "".join(f"\\{byte:02{dice.choice('xX')}}" for byte in text.encode())
        if way == 1:
            return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
        if way == 2 and len(text.encode()) < 0x80:
            raw = text.encode()
            return f"#0C{len(raw):02x}{raw.hex()}"
        return escape_value(text)

    def space() -> str:
        return dice.choice(["", "", " ", "  "])

    parts = []
    for rdn in entry:
        ones = [f"{space()}{dice.choice(NAMES[kind])}{space()}={space()}{value(text)}{space()}" for kind, text in rdn]
        dice.shuffle(ones)
        parts.append("+".join(ones))
    return "".join(part + dice.choice(",;") for part in parts)[:-1]


@settings(max_examples=300, deadline=None)
@given(ENTRIES, st.randoms(use_true_random=False))
@example([[("cn", " ")]], random.Random(1))
@example([[("cn", "#a"), ("cn", "a")]], random.Random(2))
def test_random_spellings_of_an_entry_have_one_form(entry: list[list[tuple[str, str]]], dice: random.Random) -> None:
    form = normalize_dn(printed(entry))
    assert normalize_dn(form) == form
    for _ in range(5):
        assert normalize_dn(spelled(dice, entry)) == form


@settings(max_examples=300, deadline=None)
@given(ENTRIES)
def test_what_is_printed_is_read_back(entry: list[list[tuple[str, str]]]) -> None:
    rdns: tuple[Rdn, ...] = tuple(tuple(Assertion(*each) for each in rdn) for rdn in entry)
    assert parse_dn(format_dn(rdns)) == rdns


@settings(max_examples=300, deadline=None)
@given(st.text(st.sampled_from("aA =,+\\\"#;2cC.5.4.3<\u00e9'"), max_size=30))
def test_any_text_is_a_dn_with_a_stable_form_or_none(text: str) -> None:
    if is_dn(text):
        assert normalize_dn(normalize_dn(text)) == normalize_dn(text)
        assert normalize_dn(format_dn(parse_dn(text))) == normalize_dn(text)
    else:
        assert dn_key(text) == text


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["cn", "OU", "2.5.4.3", "krbPrincipalName"]), st.text("aB c=.-@", min_size=1)))
)
def test_plain_names_have_the_form_that_reading_gives(parts: list[tuple[str, str]]) -> None:
    text = ",".join(f"{kind}={value}" for kind, value in parts)
    quoted = ",".join(f'{kind}="{value.strip()}"' for kind, value in parts)  # never read in the short way
    if is_dn(text):
        assert normalize_dn(text) == normalize_dn(quoted)


@pytest.mark.parametrize(
    ("text", "requested"),
    [
        (' OID.2.5.4.3 = "Doe, John" ; commonName=x+userid=y , DC=X', r"cn=Doe\, John,cn=x+uid=y,dc=X"),
        ("cn=#0c03436964,ou=Staff", "cn=Cid,ou=Staff"),
        (r"cn=a\c3\a9\0a\ ,x-own=#0201ff", r"cn=aé\0a\ ,x-own=#0201ff"),
        # Two types to servers, of which nobody knows which one is meant.
        ("emailAddress=a@x , cn=b", "emailAddress=a@x , cn=b"),
        (r"CORP\reader", r"CORP\reader"),
        ("cn = a\0,dc=x", "cn = a\0,dc=x"),
        ("<SID=S-1-5-21>", "<SID=S-1-5-21>"),
    ],
)
def test_dn_is_requested_in_the_spelling_of_the_standard(text: str, requested: str) -> None:
    assert requested_dn(text) == requested
