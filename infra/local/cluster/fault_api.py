"""The faults over HTTP, for tests whose server is another process.

GET    /_faults                 those that wait to strike
POST   /_faults                 {"kind": "quota", "verb": "create", "resource": "jobs", ...}
DELETE /_faults[?id=]           clear one, or all
GET    /_faults/requests        what was asked: verb, resource, namespace, name, code, at
DELETE /_faults/requests        begin a new record
POST   /_faults/forget          {"resource": "jobs", "names": [...]} or {"fraction": 0.5}
POST   /_faults/expire          every continue token and older revision answers 410
POST   /_faults/node            {"do": "lose" | "isolate" | "rejoin"}
POST   /_faults/evict           {"namespace": ..., "pod": ..., "reason": "Evicted" | "Preempted"}
POST   /_faults/objects         {"resource": "jobs", "items": [...]}: written as they are
"""

from collections.abc import Callable
from typing import Any, Protocol, cast

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from infra.local.cluster.faults import Faults, describe
from infra.local.cluster.moment import write
from infra.local.cluster.resource import Json
from infra.local.cluster.status import bad_request


class Breakable(Protocol):
    """The deeds on a whole cluster that this API offers."""

    faults: Faults

    def forget(
        self, resource: str, *, names: list[str] | None = None, fraction: float | None = None
    ) -> list[str]: ...
    def expire(self) -> None: ...
    def lose_node(self) -> None: ...
    def isolate_node(self) -> None: ...
    def rejoin_node(self) -> None: ...
    def evict(self, namespace: str, pod: str, reason: str = ...) -> None: ...
    def insert(self, resource: str, items: list[Json]) -> int: ...


def fault_routes(cluster: Breakable) -> list[BaseRoute]:
    node = {
        "lose": cluster.lose_node,
        "isolate": cluster.isolate_node,
        "rejoin": cluster.rejoin_node,
    }

    async def show(_: Request) -> Response:
        return JSONResponse([describe(fault) for fault in cluster.faults.active])

    async def clear(request: Request) -> Response:
        number = request.query_params.get("id", "")
        cluster.faults.clear(int(number) if number.isdecimal() else None)
        return JSONResponse({})

    async def requests(_: Request) -> Response:
        return JSONResponse(
            [
                vars(each.act) | {"at": write(each.at), "code": each.code}
                for each in cluster.faults.seen
            ]
        )

    async def forget_requests(_: Request) -> Response:
        cluster.faults.seen.clear()
        return JSONResponse({})

    return [
        Route("/_faults", show, methods=["GET"]),
        Route("/_faults", clear, methods=["DELETE"]),
        Route("/_faults/requests", requests, methods=["GET"]),
        Route("/_faults/requests", forget_requests, methods=["DELETE"]),
        _deed("/_faults", lambda given: {"id": cluster.faults.add(**given)}),
        _deed("/_faults/forget", lambda given: {"names": cluster.forget(**given)}),
        _deed("/_faults/expire", lambda _: cluster.expire()),
        _deed("/_faults/node", lambda given: node[given["do"]]()),
        _deed("/_faults/evict", lambda given: cluster.evict(**given)),
        _deed("/_faults/objects", lambda given: {"count": cluster.insert(**given)}),
    ]


def _deed(path: str, do: Callable[[Json], Any]) -> Route:
    async def answer(request: Request) -> Response:
        try:
            given = await request.json() if await request.body() else {}
            return JSONResponse(do(cast(Json, given)) or {})
        except (TypeError, KeyError, ValueError, LookupError) as error:
            raise bad_request(f"no such fault: {error}") from error

    return Route(path, answer, methods=["POST"])
