"""What an entry of a directory is, if it is no user: a tombstone, a contact, a computer, a trust."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

PEOPLE = frozenset(["person", "organizationalperson", "inetorgperson", "user", "posixaccount", "residentialperson"])
GROUPS = frozenset(["groupofnames", "groupofuniquenames", "groupofmembers", "posixgroup", "group"])
_TRUST, _MACHINES = 0x800, 0x1000 | 0x2000  # bits of Active Directory's userAccountControl
_CLASSES: Mapping[str, str] = {
    "nstombstone": "tombstone",
    "contact": "contact",
    "computer": "computer",
    "msds-groupmanagedserviceaccount": "managed service account",
    "msds-managedserviceaccount": "managed service account",
    "msds-delegatedmanagedserviceaccount": "managed service account",
    "trusteddomain": "trust",
    "foreignsecurityprincipal": "foreign security principal",
    "referral": "referral",
}
_RESOURCES: Mapping[str, str] = {
    "orgcontact": "contact",
    "group": "group",
    "device": "device",
    "serviceprincipal": "service principal",
}
_RECIPIENTS: Mapping[str, str] = {
    "mailcontact": "contact",
    "mailuniversaldistributiongroup": "group",
    "mailuniversalsecuritygroup": "group",
    "groupmailbox": "group",
    "dynamicdistributiongroup": "group",
}
_DELETED = re.compile(r"(?:^|,)\s*cn=deleted objects\s*,|(?:\\0a|\n)del:[0-9a-f-]{36}", re.IGNORECASE)
_CONFLICT = re.compile(r"^nsuniqueid=[^,]*\+|(?:\\0a|\n)cnf:[0-9a-f-]{36}", re.IGNORECASE)
_PUT_ASIDE = re.compile(r",\s*cn=(?:deleted|staged) users\s*,\s*cn=accounts\s*,\s*cn=provisioning\s*,", re.IGNORECASE)


def other_kind(classes: Iterable[str], dn: str, values: Mapping[str, str]) -> str | None:
    """What an entry is that is no user; None for users and what is not known. `values` by name in lower case."""
    classes = set(classes)
    if "nstombstone" in classes or _is_true(values.get("isdeleted")) or _DELETED.search(dn):
        return "tombstone"
    if _CONFLICT.search(dn) or values.get("nsds5replconflict"):
        return "replication conflict"
    if dn.casefold().startswith("nsuniqueid="):
        return "tombstone"
    if kind := next((_CLASSES[name] for name in _CLASSES if name in classes), None):
        return kind
    return _by_account(values) or _by_type(values)


def is_put_aside(dn: str) -> bool:
    """Users whom FreeIPA keeps without access: deleted ones that are preserved, and staged ones."""
    return bool(_PUT_ASIDE.search(dn))


def classes_of(value: Any) -> list[str]:
    """The object classes in a value: a list, or a text that lists them."""
    if isinstance(value, list | tuple):
        return [name for one in value for name in classes_of(one)]
    return [name for name in re.split(r"[;,|\s]+", value.casefold()) if name] if isinstance(value, str) else []


def _by_account(values: Mapping[str, str]) -> str | None:
    """Accounts of machines and of trusts, which may be of the class `user` all the same."""
    control = values.get("useraccountcontrol", "").strip()
    bits = int(control) if control.isdecimal() and len(control) < 12 else 0
    flags = values.get("sambaacctflags", "") or values.get("acctflags", "")
    kind = values.get("samaccounttype", "").strip()
    if bits & _TRUST or kind == "805306370" or _has_flag(flags, "I"):
        return "trust"
    return "computer" if bits & _MACHINES or kind == "805306369" or _has_flag(flags, "WS") else None


def _by_type(values: Mapping[str, str]) -> str | None:
    resource = values.get("@odata.type", "").rpartition(".")[2].casefold()
    recipient = values.get("recipienttypedetails", "").casefold()
    return _RESOURCES.get(resource) or _RECIPIENTS.get(recipient)


def _has_flag(flags: str, letters: str) -> bool:
    return flags.strip().startswith("[") and bool(set(flags) & set(letters))


def _is_true(value: str | None) -> bool:
    return value is not None and value.strip().casefold() in ("true", "1", "yes")


# The columns that an answer of `other_kind` rests on, by their normal form.
NAMES: Mapping[str, str] = {
    "dn": "dn",
    "distinguishedname": "dn",
    "objectclass": "objectclass",
    "isdeleted": "isdeleted",
    "useraccountcontrol": "useraccountcontrol",
    "samaccounttype": "samaccounttype",
    "sambaacctflags": "sambaacctflags",
    "nsds5replconflict": "nsds5replconflict",
    "@odata.type": "@odata.type",
    "recipienttypedetails": "recipienttypedetails",
}


def kind_of_row(values: Mapping[str, Any]) -> str | None:
    """What a row of a table or an object is that is no user; `values` by the names of `NAMES`."""
    classes = classes_of(values.get("objectclass"))
    texts = {name: str(value) for name, value in values.items() if name != "objectclass" and value is not None}
    if not classes and not texts.get("dn"):
        texts.pop("isdeleted", None)  # of no directory: the state of an account, which is not skipped
    kind = other_kind(classes, texts.get("dn", ""), texts)
    if kind is None and classes and (not PEOPLE & set(classes) or GROUPS & set(classes)):
        return f"{classes[-1]} entry"
    return kind


def skipped(kind: str, number: int) -> str:
    """`2 contacts skipped: no users`."""
    plural = kind if number == 1 else kind[:-1] + "ies" if kind.endswith("y") else f"{kind}s"
    return f"{number:,} {plural} skipped: no users"
