"""Whether a caller's role suffices; who may not even look is told that nothing is there."""

from uuid import UUID

from common.access import audit
from common.errors import Forbidden, NotFound
from common.tokens.user_token import Role, User


def demand(user: User, project: UUID | None, role: Role, absent: str | None = None) -> None:
    """For something of this project; None where there is no such thing. Raises NotFound, with what
    is absent, and Forbidden for too small a role."""
    if project is None or not user.may(project, "viewer"):
        raise NotFound(absent)
    audit.concerns(project)
    if not user.may(project, role):
        raise Forbidden(f"This takes the role {role} in the project.")


def demand_installation(user: User) -> None:
    """Raises Forbidden for who does not administer the installation."""
    if not user.administers:
        raise Forbidden("This is for who administers the installation.")
