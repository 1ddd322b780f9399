"""Whose an entry is, and what the caller may do with it."""

from collections.abc import Collection
from uuid import UUID

from common.access.permission import demand
from common.errors import Forbidden, Invalid, Violation
from common.tokens.user_token import User

NO_PROJECT = "is required: your token is for several projects"


def choose_project(user: User, named: UUID | None, field: str = "project_id") -> UUID:
    """The project that a new entry belongs to: the one that the field names, or the caller's only
    one. Raises NotFound for a project of others, Forbidden for a viewer, Invalid where neither
    says."""
    projects = [str(named)] if named else list(user.projects)
    if not projects:
        raise Forbidden("Your token is for no project.")
    if len(projects) > 1:
        raise Invalid([Violation(field, NO_PROJECT)])
    project = UUID(projects[0])
    demand(user, project, "member")
    return project


def readable_projects(user: User, named: UUID | None) -> Collection[UUID]:
    """The projects whose entries a list shows: the named one, or all of the caller's. Raises
    NotFound."""
    if named is None:
        return [UUID(each) for each in user.projects]
    demand(user, named, "viewer")
    return [named]
