"""Says of an installation what only its inside can see."""

import asyncio
from datetime import datetime, timedelta

import asyncpg

from common.doctor.stores import (
    look_at_bucket,
    look_at_letters,
    look_at_mlflow,
    look_at_schema,
    look_at_ticks,
)
from common.doctor.wiring import look_at_triggers
from common.errors import Forbidden
from common.launch.cluster import Cluster
from common.storage.objects import Objects
from common.tokens.user_token import User
from functions.doctor.schema import Looks, shown


async def doctor(
    user: User,
    *,
    pool: asyncpg.Pool,
    objects: Objects,
    bucket: str,
    cluster: Cluster | None,
    interval: timedelta,
    mlflow: str | None,
    now: datetime,
) -> Looks:
    """Called by HTTP. What cannot be asked is a finding and no failure: this answers when much else
    does not. Changes nothing but an object of its own, which it deletes again. Raises Forbidden for
    who administers nothing."""
    if not (user.administers or any(user.may(project, "admin") for project in user.projects)):
        raise Forbidden("This takes the role admin.")
    schema, ticks, written, letters, mirrored, triggers = await asyncio.gather(
        look_at_schema(pool),
        look_at_ticks(pool, interval, now),
        look_at_bucket(objects, bucket),
        look_at_letters(objects),
        look_at_mlflow(pool, mlflow, now),
        look_at_triggers(cluster),
    )
    found = [schema, ticks, written, letters, mirrored, *triggers]
    return {"findings": [shown(each) for each in found]}
