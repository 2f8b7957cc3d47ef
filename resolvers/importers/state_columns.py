"""Columns that may tell the state of an account: found by name, and by their values where the name is not enough."""

from dataclasses import dataclass, field
from typing import Any

from resolvers.importers import account_readers
from resolvers.importers.account_lookalikes import looks_like_state
from resolvers.importers.account_readers import Mistake, Reader
from resolvers.importers.account_states import AMBIGUOUS, DETAILS, PLACES, STATES
from resolvers.importers.column_names import Target, name_forms, normal, state_forms
from resolvers.importers.rows import UnreadableFile

_MOST_DISTINCT = 200
_MOST_NAMED = 5
_ADVICE = "=is_active (yes means access), =is_disabled (yes means none), =expires_at (a moment) or =ignore for each"


def state_reader(name: str) -> Reader | None:
    """How to read the values of a column that tells an account's state; None for other columns."""
    for form in state_forms(name):
        plain = normal(form)
        if plain in AMBIGUOUS:
            return account_readers.status
        if plain in STATES:
            return STATES[plain]
    return None


@dataclass
class _Watched:
    """The values of one column so far; `is_ambiguous` where the name may mean a state or a place."""

    is_ambiguous: bool
    values: set[str] = field(default_factory=set)


class StateColumns:
    """What is watched of the columns of one file."""

    def __init__(self, word: str) -> None:
        self.word = word
        self.names: set[str] = set()
        self.watched: dict[str, _Watched] = {}
        self._known: set[str] = set()

    def meet(self, name: str, target: Target | None, *, is_mapped: bool) -> None:
        self.names |= {normal(form) for form in (name, *name_forms(name))}
        if target is not None and target.field == "is_active":
            self._known.add(name)
        if is_mapped:
            return
        is_ambiguous = target is not None and target.field == "is_active" and _is_ambiguous(name)
        if is_ambiguous or (target is None and any(looks_like_state(form) for form in state_forms(name))):
            self.watched[name] = _Watched(is_ambiguous)

    def observe(self, name: str, value: Any) -> None:
        watched = self.watched.get(name)
        if watched is None:
            return
        for each in value if isinstance(value, list | tuple) else [value]:
            written = "" if each is None else str(each).strip()
            if written and len(watched.values) < _MOST_DISTINCT:
                watched.values.add(written)

    def settle(self) -> list[str]:
        """The names of columns that turn out to be places. Raises UnreadableFile for what is not understood."""
        places, unknown = [], []
        for name, watched in self.watched.items():
            if not watched.values:
                continue
            if not watched.is_ambiguous:
                is_detail = any(normal(form) in DETAILS for form in state_forms(name))
                unknown += [] if is_detail and self._known else [name]
            elif not any(_is_understood(value, self.names) for value in watched.values):
                is_told_elsewhere = bool(self._known - {name})
                if PLACES & self.names or is_told_elsewhere or all(_is_code(value) for value in watched.values):
                    places.append(name)
                else:
                    unknown.append(name)
        if unknown:
            raise UnreadableFile(self._refusal(unknown))
        return places

    def _refusal(self, names: list[str]) -> str:
        shown = ", ".join(repr(name[:100]) for name in names[:_MOST_NAMED])
        more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
        looks = f"{self.word} {shown} looks" if len(names) == 1 else f"{self.word}s {shown}{more} look"
        return (
            f"{looks} like the state of an account, which is never left out, and is not understood: say"
            f' --map "{names[0][:100]}"{_ADVICE}'
        )


def _is_ambiguous(name: str) -> bool:
    return any(normal(form) in AMBIGUOUS for form in state_forms(name))


def _is_understood(value: str, beside: set[str]) -> bool:
    try:
        account_readers.status(value, beside)
    except Mistake:
        return False
    return True


def _is_code(value: str) -> bool:
    """`WA`, `NSW`: the code of a state."""
    return len(value) in (2, 3) and value.isalpha() and value.isupper()
