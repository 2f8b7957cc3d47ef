"""Name ids of SAML users: by which one a provider will know somebody, said before they are converted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from models.database import Connection
from models.users import UserState
from resolvers.drafts import Draft
from resolvers.existing_users import name_id_owners
from resolvers.ldap_settings import opened_settings
from resolvers.saml_settings import NameIdMatches

# By what a user without a name id is looked for at their first sign-in.
COLUMN = {
    NameIdMatches.USERNAME: "username",
    NameIdMatches.EMAIL: "email",
    NameIdMatches.EXTERNAL_ID: "external_id",
}
CALLED = {"username": "username", "email": "email address", "external_id": "external id"}


@dataclass(frozen=True)
class Provider:
    """A SAML provider as far as it matches users; `matches` is None where it has no settings yet."""

    name: str
    prefix: str
    matches: NameIdMatches | None

    @property
    def column(self) -> str | None:
        return COLUMN.get(self.matches) if self.matches is not None else None

    @property
    def join(self) -> str:
        return f"Send nameId, or let them join their account themselves: /saml/{self.prefix}/login with link=1."


class Matches:
    """What the SAML providers match first sign-ins by, and who has the name ids that the drafts' users would bring."""

    def __init__(self, providers: Mapping[int, Provider]) -> None:
        self._providers = providers
        self._owners: Mapping[tuple[int, str], int] = {}

    @classmethod
    async def load(cls, connection: Connection, drafts: Sequence[Draft]) -> "Matches":
        """Two statements at most, however many drafts."""
        rows = await connection.rows("SELECT id, name, prefix, settings FROM identity_providers WHERE kind = 'SAML'")
        made = cls({row[0]: Provider(row[1], row[2], _matches(row[3])) for row in rows})
        expected = (made._expected(draft) for draft in drafts)
        made._owners = await name_id_owners(connection, {each for each in expected if each is not None})
        return made

    def _of(self, draft: Draft) -> Provider | None:
        return self._providers.get(draft.columns.get("provider_id") or 0)

    def _expected(self, draft: Draft) -> str | None:
        """What the user's first sign-in has to bring; None where they have a name id, or nothing is matched."""
        provider = self._of(draft)
        if provider is None or provider.column is None or draft.target is None or draft.columns.get("name_id"):
            return None
        found: str | None = draft.target[provider.column]
        return found

    def outlook(self, draft: Draft) -> dict[str, Any] | None:
        """A `NameIdMatch`: the name id they will be known by, or None with the reason; None for who leaves SAML."""
        provider = self._of(draft)
        if provider is None:
            return None
        name_id, reason = self._told(draft, provider)
        return {"nameId": name_id, "reason": reason}

    def _told(self, draft: Draft, provider: Provider) -> tuple[str | None, str]:
        if draft.columns.get("name_id") is not None:
            return draft.columns["name_id"], f"This is their name id at {provider.name}."
        if provider.matches is None:
            return None, f"{provider.name} has no settings yet, so that nobody signs in through it. {provider.join}"
        if provider.column is None:
            return None, f"{provider.name} matches nobody by itself (nameIdMatches is NONE). {provider.join}"
        expected, what = self._expected(draft), CALLED[provider.column]
        if expected is None:
            return None, f"{provider.name} matches the {what}, and this user has none. {provider.join}"
        if self._is_anothers(draft, expected):
            return None, f"Their {what} is the name id of somebody else at {provider.name}. {provider.join}"
        if draft.target is not None and draft.target["state"] != UserState.ACTIVE:
            return None, f"{provider.name} matches the {what} of active users only. Activate this one first."
        return expected, f"{provider.name} matches the {what} at the first sign-in, letter by letter."

    def _is_anothers(self, draft: Draft, name_id: str) -> bool:
        return self._owners.get((draft.columns["provider_id"], name_id), draft.user_id) != draft.user_id


def _matches(stored: Any) -> NameIdMatches | None:
    settings = opened_settings(stored)
    return NameIdMatches(settings["nameIdMatches"]) if settings else None
