"""An API server whose listings were made before they are asked for.

A real one answers from memory, on machines of its own; the local one assembles each page from
its database while the clock of whoever asks is running.
"""

from typing import Any
from urllib.parse import parse_qs

from common.launch.cluster import SELECTOR
from infra.local.cluster.cluster import Cluster
from infra.local.cluster.listing import Continue, Query, list_page
from infra.local.cluster.resource import JOBS, PODS, Resource

Send = Any


class Pages:
    """The ASGI application before a cluster's own, which answers all but the listings of one
    namespace's Jobs and pods."""

    def __init__(self, cluster: Cluster, namespace: str, size: int) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._size = size
        self._pages: dict[tuple[str, str], list[bytes]] = {}
        self.sent = 0
        self.bytes_sent = 0

    def make(self) -> None:
        """Takes what there is now for what the next listings show."""
        self._pages.clear()
        self.sent = self.bytes_sent = 0
        for resource in (JOBS, PODS):
            path = f"{resource.prefix}/namespaces/{self._namespace}/{resource.plural}"
            token = ""
            while True:
                body, following = self._page(resource, token)
                self._pages[path, token] = body
                if not following:
                    break
                token = following

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        page = self._find(scope) if scope["type"] == "http" else None
        if page is None:
            await self._cluster.app(scope, receive, send)
            return
        self.sent += 1
        self.bytes_sent += sum(map(len, page))
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for part in page:
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body"})

    def _find(self, scope: Any) -> list[bytes] | None:
        query = parse_qs(scope["query_string"].decode())
        if scope["method"] != "GET" or query.get("labelSelector") != [SELECTOR]:
            return None
        return self._pages.get((scope["path"], query.get("continue", [""])[0]))

    def _page(self, resource: Resource, token: str) -> tuple[list[bytes], str]:
        """The page in parts, an object each, for so a real server encodes and sends it."""
        after = Continue.read(token) if token else None
        query = Query(self._size, after, None, False, SELECTOR, "")
        page = list_page(self._cluster.store, resource, self._namespace, query)
        head, tail = page._replace(items=["@"]).write(resource).rsplit(b"@", 1)
        items = [f"{item},".encode() for item in page.items]
        return [head, *items[:-1], items[-1].rstrip(b",") if items else b"", tail], page.next
