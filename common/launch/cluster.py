"""The Kubernetes API as far as we need it: raw JSON, one attempt a call, no client models.

Every answer is one of three: done, refused for good, or not now. No answer counts as not now.
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Literal

import httpx
import msgspec

from common.launch.access import Access, Bearer

Json = dict[str, Any]
Kind = Literal["jobs", "secrets", "pods"]

PAGE = 500
TIMEOUT = httpx.Timeout(10.0, connect=3.0)
SELECTOR = "app=trainer"
# Quota is the one 403 that passes by itself. 401 and 408 say nothing about what was asked.
LATER = frozenset({401, 408, 409, 410, 429})
QUOTA = "exceeded quota"

_PREFIX: Mapping[Kind, str] = {"jobs": "/apis/batch/v1", "secrets": "/api/v1", "pods": "/api/v1"}


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
    """Jobs, Secrets and Pods of one namespace."""

    def __init__(self, client: httpx.AsyncClient, namespace: str, *, page: int = PAGE) -> None:
        self._client = client
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

    async def list_all(self, kind: Kind, selector: str = SELECTOR) -> list[Json]:
        """Every object that matches, as of one moment. Raises Refused where any page fails or
        expires: half a listing is none."""
        query = {"labelSelector": selector, "limit": str(self._page)}
        items: dict[str, Json] = {}
        while True:
            page = await self._call("GET", self._path(kind), query=query)
            items |= {item["metadata"]["uid"]: item for item in page["items"]}
            more = page["metadata"].get("continue")
            if not more:
                return list(items.values())
            query["continue"] = more

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
        """The end of the pod's log, no more than `limit` bytes; empty where there is none."""
        query = {"tailLines": str(lines), "container": "trainer"}
        try:
            answer = await self._send("GET", f"{self._path('pods', pod)}/log", None, query)
        except Refused as refused:
            if refused.status in (400, 404):
                return b""
            raise
        return answer.content[-limit:]

    def _path(self, kind: Kind, name: str | None = None) -> str:
        path = f"{_PREFIX[kind]}/namespaces/{self._namespace}/{kind}"
        return f"{path}/{name}" if name else path

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
            raise Refused(None, f"the cluster did not answer: {type(wrong).__name__}") from wrong
        if not answer.is_success:
            raise Refused(answer.status_code, _message(answer))
        return answer


@asynccontextmanager
async def open_cluster(access: Access, namespace: str) -> AsyncGenerator[Cluster]:
    """The cluster at that address. Opening it makes no call."""
    client = httpx.AsyncClient(
        base_url=access.server,
        verify=access.tls,
        auth=Bearer(access),
        timeout=TIMEOUT,
        trust_env=False,
    )
    async with client:
        yield Cluster(client, namespace)


def _message(answer: httpx.Response) -> str:
    try:
        status = msgspec.json.decode(answer.content, type=dict[str, Any])
        return str(status.get("message") or answer.status_code)[:1000]
    except msgspec.MsgspecError:
        return f"HTTP {answer.status_code}"
