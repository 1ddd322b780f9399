"""The HTTP face of the API: `/api/v1` and `/apis/batch/v1`, as far as Jobs need them."""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from infra.local.cluster import discovery
from infra.local.cluster.deletion import Options
from infra.local.cluster.listing import Query, list_page
from infra.local.cluster.objects import Objects
from infra.local.cluster.resource import ALL, EVENTS, JOBS, PODS, Json, Resource
from infra.local.cluster.status import Refused, bad_request, no_such_path, success, too_large

Handler = Callable[[Request], Awaitable[Response]]
ReadLog = Callable[[Json, Mapping[str, str]], bytes]
_LARGEST_BODY = 3 * 1024 * 1024


class ResourceApi:
    """The endpoints of one kind of object."""

    def __init__(self, objects: Objects, resource: Resource) -> None:
        self._objects = objects
        self._resource = resource

    def routes(self) -> list[BaseRoute]:
        plural, prefix = self._resource.plural, self._resource.prefix
        many = f"{prefix}/namespaces/{{namespace}}/{plural}"
        one = f"{many}/{{name}}"
        routes: list[BaseRoute] = [
            Route(f"{prefix}/{plural}", self.list, methods=["GET"]),
            Route(many, self.list, methods=["GET"]),
            Route(one, self.get, methods=["GET"]),
        ]
        if self._resource is EVENTS:
            return routes
        routes += [
            Route(many, self.create, methods=["POST"]),
            Route(many, self.delete_all, methods=["DELETE"]),
            Route(one, self.replace, methods=["PUT"]),
            Route(one, self.patch, methods=["PATCH"]),
            Route(one, self.delete, methods=["DELETE"]),
        ]
        if self._resource in (JOBS, PODS):
            routes += [
                Route(f"{one}/status", self.get, methods=["GET"]),
                Route(f"{one}/status", self.put_status, methods=["PUT"]),
                Route(f"{one}/status", self.patch_status, methods=["PATCH"]),
            ]
        return routes

    async def list(self, request: Request) -> Response:
        if request.query_params.get("watch") in ("true", "1"):
            raise bad_request("this local server offers no watch: list again")
        faults: set[str] = request.scope.get("faults", set())
        query = Query.read(request.query_params)
        namespace = request.path_params.get("namespace")
        page = list_page(self._objects.store, self._resource, namespace, query)
        if "empty" in faults:
            page = page._replace(items=[], next="", remaining=None)
        if "duplicate" in faults:
            page = page._replace(items=page.items[:1] + page.items)
        return Response(page.write(self._resource), media_type="application/json")

    async def get(self, request: Request) -> Response:
        return self._answer(self._objects.get(self._resource, *_place(request)))

    async def create(self, request: Request) -> Response:
        body = await _read_object(request)
        namespace = request.path_params["namespace"]
        created = self._objects.create(self._resource, namespace, body, dry=_dry(request))
        return self._answer(created, 201)

    async def replace(self, request: Request) -> Response:
        body = await _read_object(request)
        place = _place(request)
        return self._answer(self._objects.replace(self._resource, *place, body, dry=_dry(request)))

    async def patch(self, request: Request) -> Response:
        changes, kind = await _read_patch(request)
        place = _place(request)
        return self._answer(
            self._objects.patch(self._resource, *place, changes, kind, dry=_dry(request))
        )

    async def put_status(self, request: Request) -> Response:
        body = await _read_object(request)
        return self._answer(self._objects.put_status(self._resource, *_place(request), body))

    async def patch_status(self, request: Request) -> Response:
        changes, kind = await _read_patch(request)
        place = _place(request)
        return self._answer(self._objects.patch_status(self._resource, *place, changes, kind))

    async def delete(self, request: Request) -> Response:
        namespace, name = _place(request)
        options = Options.read(await _read_options(request))
        deleted = self._objects.get(self._resource, namespace, name)
        left = self._objects.delete(self._resource, namespace, name, options)
        if left is None and self._resource is not PODS:
            return JSONResponse(success(self._resource, name, deleted["metadata"]["uid"]))
        return self._answer(left or deleted)

    async def delete_all(self, request: Request) -> Response:
        options = Options.read(await _read_options(request))
        namespace = request.path_params["namespace"]
        query = Query.read(request.query_params)
        page = list_page(self._objects.store, self._resource, namespace, query)
        for text in page.items:
            name = json.loads(text)["metadata"]["name"]
            self._objects.delete(self._resource, namespace, name, options)
        return Response(page.write(self._resource), media_type="application/json")

    def _answer(self, body: Json, code: int = 200) -> Response:
        head = {"kind": self._resource.kind, "apiVersion": self._resource.api_version}
        return JSONResponse(head | body, code)


def api_routes(objects: Objects, read_log: ReadLog) -> list[BaseRoute]:
    async def log(request: Request) -> Response:
        pod = objects.get(PODS, *_place(request))
        return PlainTextResponse(read_log(pod, request.query_params))

    routes = discovery.routes(objects.namespaces)
    routes.append(Route("/api/v1/namespaces/{namespace}/pods/{name}/log", log, methods=["GET"]))
    for resource in ALL:
        routes += ResourceApi(objects, resource).routes()
    return routes


async def answer_refused(_: Request, error: Exception) -> Response:
    refused = cast(Refused, error)
    headers = {} if refused.retry_after is None else {"Retry-After": str(refused.retry_after)}
    return JSONResponse(refused.body(), refused.code, headers)


async def answer_http_error(request: Request, error: Exception) -> Response:
    code = cast(HTTPException, error).status_code
    if code == 405:
        message = "the server does not allow this method on the requested resource"
        return await answer_refused(request, Refused(405, "MethodNotAllowed", message))
    return await answer_refused(request, no_such_path())


def _place(request: Request) -> tuple[str, str]:
    return request.path_params["namespace"], request.path_params["name"]


def _dry(request: Request) -> bool:
    return request.query_params.get("dryRun") == "All"


async def _read_json(request: Request) -> Any:
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > _LARGEST_BODY:
            raise too_large(_LARGEST_BODY)
        chunks.append(chunk)
    try:
        return json.loads(b"".join(chunks) or b"null")
    except (ValueError, RecursionError) as error:
        raise bad_request(f"the body is no JSON: {error}") from error


async def _read_object(request: Request) -> Json:
    body = await _read_json(request)
    if not isinstance(body, dict):
        raise bad_request("the body is no object")
    found = cast(Json, body)
    if not isinstance(found.get("metadata", {}), dict):
        raise bad_request("metadata is no object")
    return found


async def _read_patch(request: Request) -> tuple[Any, str]:
    kind = request.headers.get("content-type", "").partition(";")[0].strip()
    known = ("json-patch", "merge-patch", "strategic-merge-patch")
    if kind not in [f"application/{each}+json" for each in known]:
        message = f"the body of the request was in an unknown format: {kind}"
        raise Refused(415, "UnsupportedMediaType", message)
    return await _read_json(request), kind


async def _read_options(request: Request) -> Json:
    body: Any = await _read_json(request) or {}
    if not isinstance(body, dict):
        raise bad_request("the options are no object")
    query: Json = {}
    if policy := request.query_params.get("propagationPolicy"):
        query["propagationPolicy"] = policy
    if grace := request.query_params.get("gracePeriodSeconds"):
        if not grace.isdecimal():
            raise bad_request(f"gracePeriodSeconds: {grace!r} is no number")
        query["gracePeriodSeconds"] = int(grace)
    return cast(Json, body) | query
