"""The entries below which people and groups are looked for: one that is gone must not look like an empty one."""

from resolvers.connectors.ldap_server import LdapUnavailable
from resolvers.connectors.ldap_session import ANYTHING, BASE, NOTHING, Session


async def require_base(talk: Session, setting: str, dn: str) -> None:
    """Raises LdapUnavailable where the entry is not there, or may not be read; `setting` is the one that names it."""
    if not (await talk.search(dn, ANYTHING, NOTHING, scope=BASE, most=1)).entries:
        hint = f"Check {setting} and the service account."
        raise LdapUnavailable(f"{dn} is not there, or may not be read", step="search", hint=hint)
