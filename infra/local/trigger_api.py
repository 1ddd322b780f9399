"""The Triggers as objects of the cluster's API: listed, shown, and deleted for good.

What is deleted here the broker delivers no longer, as `kubectl delete trigger` does to a cluster's.
They come back with the next start, for the manifests are what is applied.
"""

from collections.abc import Iterable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from infra.local.cluster.status import Refused
from infra.local.manifests import Manifest, name_of

VERSION = "eventing.knative.dev/v1"
MANY = f"/apis/{VERSION}/namespaces/{{namespace}}/triggers"
READY = {"conditions": [{"type": "Ready", "status": "True"}]}


class TriggerApi:
    """Every Trigger that is there is ready: the broker starts with no other."""

    def __init__(self, found: Iterable[Manifest]) -> None:
        self._there = {name_of(each): each for each in found}

    def __contains__(self, name: object) -> bool:
        return name in self._there

    def routes(self) -> list[BaseRoute]:
        return [
            Route(MANY, self._list, methods=["GET"]),
            Route(f"{MANY}/{{name}}", self._get, methods=["GET"]),
            Route(f"{MANY}/{{name}}", self._delete, methods=["DELETE"]),
        ]

    async def _list(self, request: Request) -> Response:
        namespace = request.path_params["namespace"]
        items = [_shown(each) for each in self._there.values() if _namespace(each) == namespace]
        head = {"kind": "TriggerList", "apiVersion": VERSION}
        return JSONResponse(head | {"metadata": {"continue": ""}, "items": items})

    async def _get(self, request: Request) -> Response:
        return JSONResponse(_shown(self._find(request)))

    async def _delete(self, request: Request) -> Response:
        found = self._find(request)
        del self._there[name_of(found)]
        return JSONResponse(_shown(found))

    def _find(self, request: Request) -> Manifest:
        name = request.path_params["name"]
        found = self._there.get(name)
        if found is None or _namespace(found) != request.path_params["namespace"]:
            raise Refused(404, "NotFound", f'triggers.eventing.knative.dev "{name}" not found')
        return found


def _namespace(manifest: Manifest) -> str:
    return str(manifest["metadata"].get("namespace", "default"))


def _shown(manifest: Manifest) -> Manifest:
    return {**manifest, "status": READY}
