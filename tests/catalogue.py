"""Callers of the catalog functions."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx

from common.settings import Storage
from common.storage.objects import Objects
from common.tokens import user_token
from common.tokens.keyring import KeyRing
from common.tokens.user_token import Role
from tests.asgi import serving
from tests.jobs import PROJECT
from tests.keys import ring_json

OTHER_PROJECT = UUID("22222222-2222-4222-8222-222222222222")


def bearer(
    projects: Mapping[UUID, Role] | None = None,
    subject: str = "ada",
    *,
    administers: bool = False,
) -> dict[str, str]:
    """The header of an administrator of the tests' project, or of whoever is named."""
    given: Mapping[UUID, Role] = {PROJECT: "admin"} if projects is None else projects
    roles: dict[str, Role] = {str(k): v for k, v in given.items()}
    ring = KeyRing.parse(ring_json())
    now, hour = datetime.now(UTC), timedelta(hours=1)
    token = user_token.issue(ring, subject, roles, now, hour, administers=administers)
    return {"authorization": f"Bearer {token}"}


def with_storage(environ: Mapping[str, str], storage: Storage) -> dict[str, str]:
    """The environment with the tests' S3 server."""
    return {
        **environ,
        "S3_ENDPOINT_URL": storage.endpoint_url,
        "S3_BUCKET": storage.bucket,
        "AWS_ACCESS_KEY_ID": storage.access_key_id,
        "AWS_SECRET_ACCESS_KEY": storage.secret_access_key,
    }


@asynccontextmanager
async def caller(app: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the function with an administrator's token."""
    async with serving(app) as client:
        client.headers.update(bearer())
        yield client


async def keys(objects: Objects, prefix: str) -> list[str]:
    """The objects below the prefix."""
    return [found.key async for found in objects.walk(prefix)]
