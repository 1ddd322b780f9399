"""The Kubernetes API as far as we need it: raw JSON, one attempt a call, no client models.

Every answer is one of three: done, refused for good, or not now. No answer counts as not now.
"""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Generic, Literal, TypeVar

import httpx
import msgspec

from common.launch.access import Access, Bearer
from common.launch.transport import Transport

Json = dict[str, Any]
Kind = Literal["jobs", "secrets", "pods", "triggers"]
T = TypeVar("T")

PAGE = 500
PATIENCE = 10.0
SELECTOR = "app=trainer"
# Unpacking megabytes costs more than their way through a cluster's own network.
UNPACKED = {"accept-encoding": "identity"}
# Quota is the one 403 that passes by itself. 401 and 408 say nothing about what was asked.
LATER = frozenset({401, 408, 409, 410, 429})
QUOTA = "exceeded quota"

_PREFIX: Mapping[Kind, str] = {
    "jobs": "/apis/batch/v1",
    "secrets": "/api/v1",
    "pods": "/api/v1",
    "triggers": "/apis/eventing.knative.dev/v1",
}


class Position(msgspec.Struct):
    """What asks for the next page; empty at the end."""

    following: str = msgspec.field(default="", name="continue")


class Page(msgspec.Struct, Generic[T]):
    """A part of a listing, with as much of each object as T names."""

    items: list[T]
    metadata: Position


class Refused(Exception):
    """The API did not do what was asked. `status` is None where it did not answer at all."""

    def __init__(self, status: int | None, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message

    @property
    def passes(self) -> bool:
        """Whether asking again later may help: no answer, quota, conflict, too many, a fault."""
        if self.status is None or self.status >= 500 or self.status in LATER:
            return True
        return self.status == 403 and QUOTA in self.message

    @property
    def is_conflict(self) -> bool:
        return self.status == 409


class Cluster:
    """Jobs, Secrets, Pods and Triggers of one namespace. Listings may have a client of their own."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        namespace: str,
        *,
        page: int = PAGE,
        lister: httpx.AsyncClient | None = None,
    ) -> None:
        self._client = client
        self._lister = lister or client
        self._namespace = namespace
        self._page = page

    async def create(self, kind: Kind, body: Json) -> Json:
        """Raises Refused; a conflict means that an object of this name is there."""
        return await self._call("POST", self._path(kind), body)

    async def get(self, kind: Kind, name: str) -> Json | None:
        """The object, or None for a 404 about this very object."""
        try:
            return await self._call("GET", self._path(kind, name))
        except Refused as refused:
            if refused.status == 404:
                return None
            raise

    async def pages(
        self, kind: Kind, read: Callable[[bytes], Page[T]], selector: str = SELECTOR
    ) -> AsyncGenerator[list[T]]:
        """Every object that matches, as of one moment. Raises Refused where any page fails or
        expires: what came before it is no listing."""
        query = {"labelSelector": selector, "limit": str(self._page)}
        while True:
            try:
                page = read(await self._read(self._lister, self._path(kind), query))
            except msgspec.MsgspecError:
                raise Refused(None, "the cluster's answer is no page of a listing") from None
            yield page.items
            if not page.metadata.following:
                return
            query["continue"] = page.metadata.following

    async def delete(
        self, kind: Kind, name: str, *, uid: str, grace_seconds: int | None = None
    ) -> None:
        """Deletes this object and no later one of its name; gone already is fine."""
        options: Json = {"propagationPolicy": "Background", "preconditions": {"uid": uid}}
        if grace_seconds is not None:
            options["gracePeriodSeconds"] = grace_seconds
        try:
            await self._call("DELETE", self._path(kind, name), options)
        except Refused as refused:
            if refused.status not in (404, 409):
                raise

    async def patch(self, kind: Kind, name: str, changes: Json) -> Json | None:
        """Merges the changes into the object; None where it is gone."""
        try:
            return await self._call("PATCH", self._path(kind, name), changes)
        except Refused as refused:
            if refused.status == 404:
                return None
            raise

    async def read_log(self, pod: str, *, lines: int, limit: int) -> bytes:
        """The end of the pod's log, no more than `limit` bytes, and little more than that held at
        any time, however long its lines are; empty where there is none."""
        query = {"tailLines": str(lines), "container": "trainer"}
        path = f"{self._path('pods', pod)}/log"
        try:
            return (await self._read(self._client, path, query, {"end": limit}))[-limit:]
        except Refused as refused:
            if refused.status in (400, 404):
                return b""
            raise

    def _path(self, kind: Kind, name: str | None = None) -> str:
        path = f"{_PREFIX[kind]}/namespaces/{self._namespace}/{kind}"
        return f"{path}/{name}" if name else path

    async def _read(
        self, client: httpx.AsyncClient, path: str, query: Json, extensions: Json | None = None
    ) -> bytes:
        """An answer that held its megabytes would hold them until the collector comes by."""
        try:
            async with client.stream(
                "GET", path, params=query, headers=UNPACKED, extensions=extensions
            ) as answer:
                content = b"".join([part async for part in answer.aiter_raw()])
        except (httpx.HTTPError, OSError) as wrong:
            raise _silent(wrong) from wrong
        if not answer.is_success:
            raise Refused(answer.status_code, _message(answer.status_code, content))
        return content

    async def _call(
        self, method: str, path: str, body: Json | None = None, query: Json | None = None
    ) -> Json:
        answer = await self._send(method, path, body, query)
        try:
            return msgspec.json.decode(answer.content, type=dict[str, Any])
        except msgspec.MsgspecError:
            raise Refused(None, "the cluster's answer is not JSON") from None

    async def _send(
        self, method: str, path: str, body: Json | None, query: Json | None
    ) -> httpx.Response:
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        content = None if body is None else msgspec.json.encode(body)
        try:
            answer = await self._client.request(
                method, path, content=content, params=query, headers={"content-type": kind}
            )
        except (httpx.HTTPError, OSError) as wrong:
            raise _silent(wrong) from wrong
        if not answer.is_success:
            raise Refused(answer.status_code, _message(answer.status_code, answer.content))
        return answer


@asynccontextmanager
async def open_cluster(access: Access, namespace: str) -> AsyncGenerator[Cluster]:
    """The cluster at that address. Opening it makes no call."""
    with_token = partial(
        httpx.AsyncClient, base_url=access.server, auth=Bearer(access), trust_env=False
    )
    async with (
        with_token(transport=Transport(access.tls, PATIENCE)) as client,
        with_token(transport=Transport(access.tls)) as lister,
    ):
        yield Cluster(client, namespace, lister=lister)


def _silent(wrong: Exception) -> Refused:
    return Refused(None, f"the cluster did not answer: {type(wrong).__name__}")


def _message(status: int, content: bytes) -> str:
    try:
        told = msgspec.json.decode(content, type=dict[str, Any])
        return str(told.get("message") or status)[:1000]
    except msgspec.MsgspecError:
        return f"HTTP {status}"
