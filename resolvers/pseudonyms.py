"""The pseudonym of an erased user, and how it takes the place of personal data in text and JSON. Pure."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

DOMAIN = "erased.invalid"  # RFC 2606: no address there ever receives email
# What says what was changed and not about whom: recorded changes of these fields keep their values.
IMPERSONAL_FIELDS = frozenset(
    {
        "canCreateProjectsInRoot",
        "groups",
        "identityProvider",
        "key",
        "kind",
        "organizations",
        "permissions",
        "provisionedBy",
        "role",
        "rows",
        "state",
    }
)
# What identifies a user also in texts about others.
IDENTIFYING_FIELDS = frozenset({"aliases", "email", "externalId", "externalIds", "loginDn", "nameId", "username"})
_ENUM = re.compile(r"[A-Z][A-Z_]*")
_TYPED_ID = re.compile(r"[a-z]+_\d+")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z")
# A text that is no ordinary word: it may be looked for everywhere without hitting what is about somebody else.
# An external id such as `7` would hit "row 7".
_SPECIFIC = re.compile(r"(?=.{3}).*[\d@=._\-].*|.{8,}", re.DOTALL)


def pseudonym(user_id: int) -> str:
    return f"erased-{user_id}"


@dataclass
class Person:
    """A user and the texts that identify them, now and in the past, in lower case."""

    user_id: int
    texts: set[str] = field(default_factory=set)
    spellings: set[str] = field(default_factory=set)  # the same as they are written

    @property
    def pseudonym(self) -> str:
        return pseudonym(self.user_id)

    def learn(self, identifiers: Iterable[str | None]) -> None:
        """Add identifiers. Ordinary words are left out: they would be found where somebody else is meant."""
        found = {each for each in identifiers if each and _SPECIFIC.fullmatch(each)}
        found -= {self.pseudonym, f"{self.pseudonym}@{DOMAIN}"}
        self.spellings |= found
        self.texts |= {each.lower() for each in found}

    def learn_changes(self, changes: Mapping[str, Any]) -> None:
        """Add the identifiers that stand in recorded changes, field to [before, after]."""
        for name in IDENTIFYING_FIELDS & changes.keys():
            found = list(leaves(changes[name]))
            self.learn([each.partition("=")[2] for each in found] if name == "externalIds" else found)

    def forget(self, identifiers: Iterable[str | None]) -> None:
        """Take out identifiers that somebody else has now: in texts about others they mean the other user."""
        self.texts -= {each.lower() for each in identifiers if each}

    def is_named_in(self, value: Any) -> bool:
        """Whether a text of some JSON is one of the identifiers."""
        return any(text.lower() in self.texts for text in leaves(value))

    def replace_identifiers(self, value: Any) -> Any:
        """The JSON with the pseudonym in place of each identifier, also inside of longer texts such as messages."""
        return map_leaves(value, self._without_identifiers)

    def _without_identifiers(self, text: str) -> str:
        if text.lower() in self.texts:
            return self.pseudonym
        for each in sorted(self.texts, key=len, reverse=True):
            text = re.sub(rf"(?<!\w){re.escape(each)}(?!\w)", self.pseudonym, text, flags=re.IGNORECASE)
        return text

    def replace_in_answer(self, value: Any) -> Any:
        """A stored answer in which nothing of the user is left but ids, enum values and times."""
        if isinstance(value, Mapping):
            if f"user_{self.user_id}" in [each for each in value.values() if isinstance(each, str)]:
                return {name: map_leaves(each, self._unless_impersonal) for name, each in value.items()}
            return {name: self.replace_in_answer(each) for name, each in value.items()}
        if isinstance(value, list):
            return [self.replace_in_answer(each) for each in value]
        return self._without_identifiers(value) if isinstance(value, str) else value

    def _unless_impersonal(self, text: str) -> str:
        is_impersonal = any(pattern.fullmatch(text) for pattern in (_ENUM, _TYPED_ID, _TIME))
        return text if is_impersonal else self.pseudonym


def replace_changes(changes: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Recorded changes, field to [before, after], with `name` in place of what is not known to be impersonal."""
    return {
        field_name: pair if field_name in IMPERSONAL_FIELDS else [replace_value(each, name) for each in pair]
        for field_name, pair in changes.items()
    }


def replace_value(value: Any, name: str) -> Any:
    """`name` for a value, once for a list; null stays null, and truth and numbers stay as they are."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, list):
        return [name] if value else []
    return name


def leaves(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from leaves(each)
    elif isinstance(value, list):
        for each in value:
            yield from leaves(each)


def map_leaves(value: Any, change: Any) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {name: map_leaves(each, change) for name, each in value.items()}
    if isinstance(value, list):
        return [map_leaves(each, change) for each in value]
    return value
