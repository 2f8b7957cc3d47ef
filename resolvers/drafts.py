"""One row of a call that makes or changes users: what was given, what it comes to, and why it is refused."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from models.base import LABEL, LONG
from models.errors import Duplicate, Invalid, Refusal
from models.values import clean, email, key, split, username
from resolvers.references import Target

MOST_VALUES = 100  # tags, aliases or variables in one row
NAMES = {
    "name": "The name",
    "first_name": "The first name",
    "last_name": "The last name",
    "external_id": "The external id",
}


@dataclass
class Draft:
    """`columns` are those of `users` to be stored; `path` leads to this row in the input."""

    index: int
    given: Mapping[str, Any]
    path: tuple[str | int, ...] = ()
    columns: dict[str, Any] = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)
    aliases: list[str] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)
    group_ids: list[int] = field(default_factory=list)
    organization_ids: list[int] = field(default_factory=list)
    removed: dict[str, list[str]] = field(default_factory=dict)
    replaced_variables: list[str] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    target: Target | None = None
    matched_by: str | None = None
    changed: list[str] = field(default_factory=list)
    changes: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    user_id: int | None = None

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
        draft.attempt(_username, draft, given["username"])
    for name, what in NAMES.items():
        if given.get(name) is not None:
            kept = draft.attempt(lambda text=given[name], n=name, w=what: clean(text, *path, camel(n), what=w))
            draft.columns[name] = kept
        elif name in given:
            draft.columns[name] = None
    if draft.columns.get("name"):
        draft.columns["name_key"] = key(draft.columns["name"])
    draft.tags = _values(draft, "tags", "A tag")
    draft.aliases = _values(draft, "aliases", "An alias")
    draft.variables = _variables(draft)


def _email(draft: Draft, text: str) -> None:
    draft.columns["email"], draft.columns["email_key"] = email(text, *draft.path, "email")


def _username(draft: Draft, text: str) -> None:
    kept = username(text, *draft.path, "username")
    if kept.lower().startswith("user_") and kept[5:].isdecimal():
        raise Invalid(*draft.path, "username", reason="A username may not look like an id. Choose another.")
    draft.columns["username"], draft.columns["username_key"] = kept, key(kept)


def _values(draft: Draft, name: str, what: str) -> list[str]:
    """Cleaned values, "|" splitting a string into several, each once by its normal form."""
    found: dict[str, str] = {}
    for place, text in enumerate(split(draft.given.get(name))):
        kept = draft.attempt(lambda t=text, p=place: clean(t, *draft.path, name, p, what=what))
        if kept is not None:
            found.setdefault(key(kept), kept)
    if len(found) > MOST_VALUES:
        draft.refusals.append(Invalid(*draft.path, name, reason=f"{name} takes at most {MOST_VALUES} values."))
    return list(found.values())


def _variables(draft: Draft) -> dict[str, str]:
    found: dict[str, str] = {}
    for place, each in enumerate(draft.given.get("variables") or ()):
        path = (*draft.path, "variables", place)
        name = draft.attempt(lambda e=each, p=path: clean(e["name"], *p, "name", what="A variable's name", limit=LABEL))
        value = draft.attempt(
            lambda e=each, p=path: clean(e["value"], *p, "value", what="A variable's value", limit=LONG)
        )
        if name is not None and value is not None:
            found[name] = value
    if len(found) > MOST_VALUES:
        draft.refusals.append(
            Invalid(*draft.path, "variables", reason=f"variables takes at most {MOST_VALUES} values.")
        )
    return found


def camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)


def refuse_duplicates(drafts: Sequence[Draft]) -> None:
    """Two rows of one call may not be the same user, nor claim the same name."""
    for column, what in (("email_key", "email"), ("username_key", "username"), ("external_id", "externalId")):
        first: dict[str, Draft] = {}
        for draft in drafts:
            value = draft.columns.get(column)
            if value is None or first.setdefault(value, draft) is draft:
                continue
            draft.refusals.append(Duplicate(*draft.path, what, what=f"This {what}", first=first[value].index))
    owners: dict[str, Draft] = {}
    for draft in drafts:
        for alias in draft.aliases:
            if owners.setdefault(key(alias), draft) is not draft:
                first_index = owners[key(alias)].index
                draft.refusals.append(Duplicate(*draft.path, "aliases", what=f"The alias {alias}", first=first_index))
