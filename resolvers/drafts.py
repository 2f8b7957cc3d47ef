"""One row of a call that makes or changes users: what was given, what it comes to, and why it is refused."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from models.base import LONG
from models.errors import Duplicate, Invalid, Refusal, Required
from models.values import API, camel, clean, email, key, source_name, split, username
from resolvers.policy import GrantLimit, Right, Viewer
from resolvers.targets import Target

CALLED = {
    "email": "email",
    "username": "username",
    "externalId": "external id",
    "aliases": "alias",
    "loginDn": "login DN",
    "nameId": "name id",
}
MAX_REF = 100  # characters of a reference that a message repeats
MOST_VALUES = 100  # tags, aliases or variables in one row
NAMES = {
    "name": "The name",
    "first_name": "The first name",
    "last_name": "The last name",
}
KEYED = {"name": "name_key", "first_name": "first_name_key", "last_name": "last_name_key"}


def row_name(index: int, ref: str | None = None) -> str:
    """A row as people count, from 1, with the reference that its sender gave it."""
    return f"row {index + 1}" + (f" ({ref[:MAX_REF]})" if ref else "")


@dataclass(slots=True)
class Draft:
    """`columns` are those of `users` to be stored; `path` leads to this row in the input.

    `aliases` are new ones; `kept_aliases` are normal forms of those that the user has and keeps. `removed` are normal
    forms of tags, aliases and variables to take away, `left` groups and organizations. `source` is the one whose ids
    `external_id` has; `external_ids` are ids by their source, None to clear one. `mistaken_for` is a user with the
    row's address, or one that looks like it, who is somebody else. `waits_for` are users who have values that the row
    needs.

    Of match keys (resolvers/match_keys.py): `agreed` are the kinds in which a matched row and its user are the same,
    `vouched` what their setters could grant, `key_limit` what the keys that this row writes vouch for (None: what the
    viewer can grant), `proved` the kinds that their owner has proved, `confirmed` those that are sent again by id.
    `is_raised` says that a matched row gives a role with more weight or rights than before.
    """

    index: int
    given: Mapping[str, Any]
    path: tuple[str | int, ...] = ()
    columns: dict[str, Any] = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)
    aliases: list[str] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)
    source: str = API
    external_ids: dict[str, str | None] = field(default_factory=dict)
    group_ids: list[int] = field(default_factory=list)
    organization_ids: list[int] = field(default_factory=list)
    removed: dict[str, list[str]] = field(default_factory=dict)
    left: dict[str, list[int]] = field(default_factory=dict)
    kept_aliases: list[str] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    target: Target | None = None
    matched_by: str | None = None
    mistaken_for: Target | None = None
    waits_for: set[int] = field(default_factory=set)
    changed: list[str] = field(default_factory=list)
    changes: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    user_id: int | None = None
    agreed: set[str] = field(default_factory=set)
    vouched: list[GrantLimit] = field(default_factory=list)
    key_limit: GrantLimit | None = None
    proved: set[str] = field(default_factory=set)
    confirmed: set[str] = field(default_factory=set)
    is_raised: bool = False

    @property
    def place(self) -> str:
        """Where the row stands, as its sender knows it: by its line in a file, else by its number in the call."""
        return str(self.given.get("place") or row_name(self.index, self.given.get("ref")))

    @property
    def is_good(self) -> bool:
        return not self.refusals

    def attempt(self, step: Any, *values: Any) -> Any:
        """The outcome of a step, or None with its refusal noted: one row tells all that is wrong with it."""
        try:
            return step(*values)
        except Refusal as refusal:
            self.refusals.append(refusal)
            return None

    def change(self, name: str, before: Any, after: Any) -> None:
        self.changed.append(name)
        self.changes[name] = (before, after)


def read(draft: Draft) -> None:
    """Bring the texts of a row into the form they are kept in."""
    given, path = draft.given, draft.path
    if given.get("email") is not None:
        draft.attempt(_email, draft, given["email"])
    if given.get("username") is not None:
        draft.attempt(_username, draft, given["username"], "username")
    for name, what in NAMES.items():
        if name in given:
            kept = None if given[name] is None else draft.attempt(_clean, given[name], what, *path, camel(name))
            draft.columns[name] = kept
            if name in KEYED:
                draft.columns[KEYED[name]] = key(kept) if kept else None
    read_external_ids(draft)
    draft.tags = values_of(draft, "tags", "A tag")
    draft.aliases = values_of(draft, "aliases", "An alias")
    draft.variables = variables_of(draft, "variables")


def read_external_ids(draft: Draft) -> None:
    """The id that the caller's own source has for the user, and those of other sources. The API's is a column, too."""
    given, path = draft.given, draft.path
    if "external_id" in given:
        _external_id(draft, draft.source, given["external_id"], *path, "externalId")
    for place, each in enumerate(given.get("external_ids") or ()):
        at = (*path, "externalIds", place)
        source = draft.attempt(source_name, each["source"], *at, "source")
        before = draft.external_ids.get(source)
        if "value" not in each:
            draft.refusals.append(Required(*at, "value", what="The value (null clears it)"))
        elif source is not None:
            _external_id(draft, source, each["value"], *at, "value")
        if before is not None and draft.external_ids.get(source) != before:
            draft.refusals.append(Duplicate(*at, "source", what=f"An id of {source}", first="this row"))
    _bound(draft, "external_ids", len(draft.external_ids))
    if API in draft.external_ids:
        draft.columns["external_id"] = draft.external_ids[API]


def require_for_sources(viewer: Viewer, draft: Draft) -> None:
    """By an id of another source, that source finds the user: it is set by those who manage all users."""
    if draft.given.get("external_ids"):
        viewer.require_everywhere(Right.UPDATE_USERS, *draft.path, "externalIds")


def _external_id(draft: Draft, source: str, text: str | None, *path: str | int) -> None:
    kept = None if text is None else draft.attempt(_clean, text, "The external id", *path)
    if text is None or kept is not None:
        draft.external_ids[source] = kept


def _clean(text: str, what: str, *path: str | int) -> str:
    return clean(text, *path, what=what)


def _email(draft: Draft, text: str) -> None:
    draft.columns["email"], draft.columns["email_key"] = email(text, *draft.path, "email")


def name_by_email(draft: Draft) -> None:
    """A user whose username is not given is named by the address, under the same rules."""
    if "username" not in draft.columns and draft.columns.get("email") is not None:
        draft.attempt(_username, draft, draft.columns["email"], "username")


def _username(draft: Draft, text: str, field_name: str) -> None:
    kept = username(text, *draft.path, field_name)
    if kept.lower().startswith("user_") and kept[5:].isdecimal():
        raise Invalid(*draft.path, field_name, reason="A username may not look like an id. Choose another.")
    draft.columns["username"], draft.columns["username_key"] = kept, key(kept)


def values_of(draft: Draft, name: str, what: str) -> list[str]:
    """Cleaned texts of an input field, "|" splitting a string into several, each once by its normal form."""
    found: dict[str, str] = {}
    for place, text in enumerate(split(draft.given.get(name))):
        kept = draft.attempt(_clean, text, what, *draft.path, camel(name), place)
        if kept is not None:
            found.setdefault(key(kept), kept)
    _bound(draft, name, len(found))
    return list(found.values())


def variables_of(draft: Draft, name: str) -> dict[str, str]:
    """Cleaned variables of an input field; of two with one normal form the later counts."""
    found: dict[str, tuple[str, str]] = {}
    for place, each in enumerate(draft.given.get(name) or ()):
        path = (*draft.path, camel(name), place)
        named = draft.attempt(lambda e=each, p=path: clean(e["name"], *p, "name", what="A variable's name"))
        value = draft.attempt(
            lambda e=each, p=path: clean(e["value"], *p, "value", what="A variable's value", limit=LONG)
        )
        if named is not None and value is not None:
            found[key(named)] = (named, value)
    _bound(draft, name, len(found))
    return dict(found.values())


def _bound(draft: Draft, name: str, count: int) -> None:
    if count > MOST_VALUES:
        reason = f"{camel(name)} takes at most {MOST_VALUES} values."
        draft.refusals.append(Invalid(*draft.path, camel(name), reason=reason, limit=MOST_VALUES))


def refuse_duplicates(drafts: Sequence[Draft]) -> None:
    """Two rows of one call may not be the same user, nor claim the same name; the later row is refused."""
    names: dict[tuple[str, Any], Draft] = {}
    for draft in drafts:
        if any(isinstance(refusal, Duplicate) for refusal in draft.refusals):
            continue
        for what, value in _names_of(draft):
            first = names.setdefault(("email" if what == "username" else what, value), draft)
            if first is not draft:
                path = PATHS[what](draft) if what in PATHS else (what,)
                draft.refusals.append(Duplicate(*draft.path, *path, what=f"This {CALLED[what]}", first=first.place))
                break


def _names_of(draft: Draft) -> list[tuple[str, Any]]:
    """What of a row must be nobody else's. A username may not be another row's address either."""
    columns = draft.columns
    found: list[tuple[str, Any]] = [("aliases", key(alias)) for alias in draft.aliases]
    for what, column in (("email", "email_key"), ("username", "username_key")):
        if columns.get(column) is not None:
            found.append((what, columns[column]))
    found += [("externalId", (source, value)) for source, value in draft.external_ids.items() if value is not None]
    if columns.get("login_dn_key") is not None:
        found.append(("loginDn", (columns.get("ldap_provider_id"), columns["login_dn_key"])))
    if columns.get("name_id") is not None:
        found.append(("nameId", (columns.get("provider_id"), columns["name_id"])))
    return found


def name_id_path(draft: Draft) -> tuple[str, ...]:
    """Where in its row a draft has its name id from."""
    place = next((name for name in ("to", "authentication") if (draft.given.get(name) or {}).get("saml")), None)
    return (place, "saml", "nameId") if place else ("nameId",)


def login_dn_path(draft: Draft) -> tuple[str, ...]:
    """Where in its row a draft has its login DN from."""
    for place in ("to", "authentication"):
        given = draft.given.get(place) or {}
        if given.get("ldap"):
            return (place, "ldap", "loginDn")
        if (given.get("saml") or {}).get("provisioned_by"):
            return (place, "saml", "provisionedBy", "loginDn")
    return ("loginDn",)


def external_id_path(draft: Draft, source: str | None = None) -> tuple[str, ...]:
    """Where in its row a draft has its external id, or that of a source, from."""
    is_own = draft.given.get("external_id") is not None and source in (None, draft.source)
    return ("externalId",) if is_own or not draft.given.get("external_ids") else ("externalIds",)


PATHS = {"nameId": name_id_path, "loginDn": login_dn_path, "externalId": external_id_path}
