"""Says what the next sweeps will delete."""

from collections.abc import Callable
from datetime import datetime

import asyncpg

from common.errors import Forbidden
from common.storage.objects import Objects
from common.sync.retention import Retention
from common.sync.sweep import look
from common.tokens.user_token import User
from functions.retention.schema import Kinds, kind


async def retention(
    user: User,
    *,
    pool: asyncpg.Pool,
    objects: Objects,
    kept: Retention,
    now: Callable[[], datetime],
) -> Kinds:
    """Called by HTTP. Counts what is older than retention.yaml allows, by the statements that
    delete it, and deletes nothing: that is status-sync's. Raises Forbidden for who administers
    nothing."""
    if not (user.administers or any(user.may(project, "admin") for project in user.projects)):
        raise Forbidden("This takes the role admin.")
    return {"kinds": [kind(found) for found in await look(pool, objects, kept, now=now())]}
