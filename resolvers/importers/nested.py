"""Objects within the object of a user: which of their parts are fields of the user, under which names."""

from collections.abc import Callable, Iterator
from typing import Any

from resolvers.importers.account_lookalikes import looks_like_state
from resolvers.importers.column_names import normal
from resolvers.importers.state_columns import state_reader

_DEEPEST = 3
# Where an object that stands for one value has it: Dropbox's `.tag`, Personio's `value`, labels of others.
_TAGS = (".tag", "value", "code", "name", "label", "status", "state")
# Objects that are about somebody or something else.
_REFERENCES = frozenset(
    "manager supervisor creator createdby updatedby modifiedby owner sponsor assistant company organization"
    " organizations group groups role roles team teams department location office costcenter parent meta links"
    " link settings"
    " preferences permissions capabilities features identities appmetadata usermetadata provider credentials type"
    " federation addresses phones emails phonenumbers sshkeys devices cover plan".split()
)


def flat(name: str, value: Any, knows: Callable[[str], bool]) -> Iterator[tuple[str, Any]]:
    """`name.givenName` for the parts of an object that are known; SCIM's extensions are named by URNs."""
    return _flat(name, value, knows, 0)


def _flat(name: str, value: Any, knows: Callable[[str], bool], depth: int) -> Iterator[tuple[str, Any]]:
    if not isinstance(value, dict):
        yield name, value
        return
    if state_reader(name):
        tag = next((tag for tag in _TAGS if tag in value and not isinstance(value[tag], dict | list)), None)
        if tag is not None:
            yield name, value[tag]
            return
    parts = {inner if name.startswith("urn:") else f"{name}.{inner}": inner for inner in value}
    is_open = depth < _DEEPEST and normal(name) not in _REFERENCES
    inside = (
        {label: value[inner] for label, inner in parts.items() if isinstance(value[inner], dict)} if is_open else {}
    )
    if any(map(knows, parts)) or any(_has_known(label, inner, knows, depth + 1) for label, inner in inside.items()):
        for label, inner in parts.items():
            yield from _flat(label, value[inner], knows, depth + 1)
        return
    yield name, value
    if is_open:
        yield from (
            (label, value[inner])
            for label, inner in parts.items()
            if not isinstance(value[inner], dict | list) and looks_like_state(label)
        )


def _has_known(label: str, value: dict[str, Any], knows: Callable[[str], bool], depth: int) -> bool:
    parts = [f"{label}.{inner}" for inner in value]
    if any(map(knows, parts)):
        return True
    return depth < _DEEPEST and any(
        _has_known(part, inner, knows, depth + 1)
        for part, inner in zip(parts, value.values(), strict=True)
        if isinstance(inner, dict)
    )
