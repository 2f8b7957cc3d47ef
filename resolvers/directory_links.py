"""Links of users to entries of a directory: what it takes to make one without the entry's own proof."""

from models.errors import Refusal
from resolvers.policy import Viewer, require_grantable
from resolvers.references import ProviderRow, Roles

HINT = " Who has the entry's password links it themselves: convertUsers with verify: BIND."


def require_linkable(viewer: Viewer, provider: ProviderRow, roles: Roles, *path: str | int) -> None:
    """The groups of an entry give roles. So whoever links a user can grant the heaviest that they may give, everywhere.

    That is the provider's ceiling, whatever is mapped today, with the rights of the heaviest roles below it and of
    every role that is mapped. Raises RoleTooHeavy and RightsTooWide.
    """
    ceiling = provider.ceiling_weight or 0
    below = [role for role in roles.by_id.values() if role.weight <= ceiling]
    heaviest = max((role.weight for role in below), default=0)
    given = [role for role in below if role.weight == heaviest or role.id in provider.mapped_roles]
    rights = frozenset().union(*(role.rights for role in given))
    try:
        require_grantable(viewer, f"that {provider.name} may give", ceiling, rights, *path)
    except Refusal as refusal:
        refusal.message += HINT
        raise
