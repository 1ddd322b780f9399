"""The Triggers as objects of the cluster's API: listed, shown, led elsewhere and deleted.

What is deleted here the broker delivers no longer, and what is patched it delivers where that
leads, as after `kubectl delete trigger` and `kubectl patch trigger` on a cluster. All of it is
undone by the next start, for the manifests are what is applied.
"""

from collections.abc import Iterable
from dataclasses import replace

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from infra.local.cluster import patch
from infra.local.cluster.status import Refused
from infra.local.manifests import Manifest, name_of
from infra.local.trigger import Trigger, destination

VERSION = "eventing.knative.dev/v1"
MANY = f"/apis/{VERSION}/namespaces/{{namespace}}/triggers"
READY = {"conditions": [{"type": "Ready", "status": "True"}]}


class TriggerApi:
    """Every Trigger that is there is ready: the broker starts with no other."""

    def __init__(self, found: Iterable[Manifest]) -> None:
        self._there = {name_of(each): each for each in found}

    def now(self, trigger: Trigger) -> Trigger | None:
        """The Trigger as it leads now; None once it is deleted."""
        found = self._there.get(trigger.name)
        if found is None:
            return None
        wanted_by = f"Trigger {trigger.name}"
        return replace(
            trigger, subscriber=destination(found["spec"]["subscriber"], wanted_by=wanted_by)
        )

    def routes(self) -> list[BaseRoute]:
        return [
            Route(MANY, self._list, methods=["GET"]),
            Route(f"{MANY}/{{name}}", self._get, methods=["GET"]),
            Route(f"{MANY}/{{name}}", self._patch, methods=["PATCH"]),
            Route(f"{MANY}/{{name}}", self._delete, methods=["DELETE"]),
        ]

    async def _list(self, request: Request) -> Response:
        namespace = request.path_params["namespace"]
        items = [_shown(each) for each in self._there.values() if _namespace(each) == namespace]
        head = {"kind": "TriggerList", "apiVersion": VERSION}
        return JSONResponse(head | {"metadata": {"continue": ""}, "items": items})

    async def _get(self, request: Request) -> Response:
        return JSONResponse(_shown(self._find(request)))

    async def _patch(self, request: Request) -> Response:
        found = self._find(request)
        kind = request.headers.get("content-type", "")
        changed = patch.apply(kind, found, await request.json())
        self._there[name_of(found)] = changed
        return JSONResponse(_shown(changed))

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
