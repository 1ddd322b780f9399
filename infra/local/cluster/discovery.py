"""What a client asks about the server itself, enough for a dynamic client."""

import platform
from collections.abc import Iterable

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from infra.local.cluster.resource import ALL, EVENTS, JOBS, PODS, Json, Resource
from infra.local.cluster.status import no_such_namespace

_VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update"]


def routes(namespaces: Iterable[str]) -> list[BaseRoute]:
    known = sorted(namespaces)

    async def list_namespaces(_: Request) -> Response:
        items = [_namespace(name) for name in known]
        return JSONResponse(
            {"kind": "NamespaceList", "apiVersion": "v1", "metadata": {}, "items": items}
        )

    async def get_namespace(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in known:
            raise no_such_namespace(name)
        return JSONResponse({"kind": "Namespace", "apiVersion": "v1"} | _namespace(name))

    return [
        Route("/version", _version),
        Route("/healthz", _healthy),
        Route("/readyz", _healthy),
        Route("/livez", _healthy),
        Route("/api", _versions),
        Route("/apis", _groups),
        Route("/api/v1", _core),
        Route("/apis/batch/v1", _batch),
        Route("/api/v1/namespaces", list_namespaces),
        Route("/api/v1/namespaces/{name}", get_namespace),
    ]


def _namespace(name: str) -> Json:
    return {"metadata": {"name": name}, "spec": {}, "status": {"phase": "Active"}}


async def _version(_: Request) -> Response:
    return JSONResponse(
        {
            "major": "1",
            "minor": "36",
            "gitVersion": "v1.36.0+eventrain",
            "gitCommit": "",
            "gitTreeState": "clean",
            "buildDate": "1970-01-01T00:00:00Z",
            "goVersion": "",
            "compiler": platform.python_implementation(),
            "platform": f"{platform.system().lower()}/{platform.machine()}",
        }
    )


async def _healthy(_: Request) -> Response:
    return PlainTextResponse("ok")


async def _versions(_: Request) -> Response:
    return JSONResponse(
        {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}
    )


async def _groups(_: Request) -> Response:
    version = {"groupVersion": "batch/v1", "version": "v1"}
    group = {"name": "batch", "versions": [version], "preferredVersion": version}
    return JSONResponse({"kind": "APIGroupList", "apiVersion": "v1", "groups": [group]})


async def _core(_: Request) -> Response:
    return JSONResponse(_resources("v1", [each for each in ALL if not each.group]))


async def _batch(_: Request) -> Response:
    return JSONResponse(_resources("batch/v1", [JOBS]))


def _resources(version: str, kinds: list[Resource]) -> Json:
    listed = [_described(kind, kind.plural, _verbs(kind)) for kind in kinds]
    for kind in kinds:
        if kind in (JOBS, PODS):
            listed.append(_described(kind, f"{kind.plural}/status", ["get", "patch", "update"]))
        if kind is PODS:
            listed.append(_described(kind, "pods/log", ["get"]))
    if version == "v1":
        listed.append(
            {"name": "namespaces", "singularName": "namespace", "namespaced": False}
            | {"kind": "Namespace", "verbs": ["get", "list"]}
        )
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version} | {
        "resources": listed
    }


def _verbs(kind: Resource) -> list[str]:
    return ["get", "list"] if kind is EVENTS else _VERBS


def _described(kind: Resource, name: str, verbs: list[str]) -> Json:
    return {
        "name": name,
        "singularName": kind.kind.lower(),
        "namespaced": True,
        "kind": kind.kind,
        "verbs": verbs,
    }
