"""The API's verbs on stored objects, without HTTP."""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from infra.local.cluster import deletion, patch
from infra.local.cluster.defaults import fill_new, fill_update
from infra.local.cluster.moment import Now
from infra.local.cluster.resource import JOBS, PODS, Json, Key, Resource, key_of
from infra.local.cluster.status import (
    Refused,
    already_exists,
    bad_request,
    conflict,
    no_such_namespace,
    not_found,
)
from infra.local.cluster.store import Store
from infra.local.cluster.validation import check_new, check_update

T = TypeVar("T")


class Objects:
    def __init__(self, store: Store, namespaces: Iterable[str], now: Now) -> None:
        self.store = store
        self.namespaces = frozenset(namespaces)
        self._now = now

    def get(self, resource: Resource, namespace: str, name: str) -> Json:
        body = self.store.get(Key(resource.plural, namespace, name))
        if body is None:
            raise not_found(resource, name)
        return body

    def create(self, resource: Resource, namespace: str, body: Json, *, dry: bool = False) -> Json:
        if namespace not in self.namespaces:
            raise no_such_namespace(namespace)
        _check_kind(resource, body)
        filled = _readable(resource, lambda: self._fill_new(resource, namespace, body))
        key = key_of(resource, filled)
        with self.store.writing():
            if old := self.store.get(key):
                raise _taken(resource, old)
            return filled if dry else self.store.put(key, filled)

    def replace(
        self, resource: Resource, namespace: str, name: str, body: Json, *, dry: bool = False
    ) -> Json:
        _check_kind(resource, body)
        with self.store.writing():
            old = self.get(resource, namespace, name)
            given = body.get("metadata") or {}
            if given.get("name") != name:
                raise bad_request("the name of the object does not match the name on the URL")
            return self._update(resource, old, body, dry=dry)

    def patch(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        changes: Any,
        content_type: str,
        *,
        dry: bool = False,
    ) -> Json:
        with self.store.writing():
            old = self.get(resource, namespace, name)
            body = patch.apply(content_type, old, changes)
            return self._update(resource, old, body, dry=dry)

    def put_status(self, resource: Resource, namespace: str, name: str, body: Json) -> Json:
        with self.store.writing():
            old = self.get(resource, namespace, name)
            _check_revision(resource, old, body)
            status = body.get("status") or {}
            return self.store.put(key_of(resource, old), old | {"status": status})

    def patch_status(
        self, resource: Resource, namespace: str, name: str, changes: Any, content_type: str
    ) -> Json:
        with self.store.writing():
            old = self.get(resource, namespace, name)
            body = patch.apply(content_type, old, changes)
            return self.put_status(resource, namespace, name, body)

    def delete(
        self, resource: Resource, namespace: str, name: str, options: deletion.Options
    ) -> Json | None:
        key = Key(resource.plural, namespace, name)
        return deletion.delete(self.store, key, options, self._now())

    def insert(self, resource: Resource, bodies: Iterable[Json]) -> int:
        """Writes objects as they are, in one transaction, for tests of volume.

        Nobody acts on them: a Job gets `managedBy`, a pod the name of another node.
        """
        with self.store.writing():
            filled = [self._unmanaged(resource, body) for body in bodies]
            for body in filled:
                self.store.put(key_of(resource, body), body)
            return len(filled)

    def _fill_new(self, resource: Resource, namespace: str, body: Json) -> Json:
        if (body.get("metadata") or {}).get("resourceVersion"):
            raise bad_request("resourceVersion should not be set on objects to be created")
        filled = fill_new(resource, namespace, body, self._now())
        check_new(resource, filled)
        return filled

    def _update(self, resource: Resource, old: Json, body: Json, *, dry: bool) -> Json:
        _check_revision(resource, old, body)
        body = _readable(resource, lambda: fill_update(resource, old, body))
        _readable(resource, lambda: check_update(resource, old, body))
        if body == old or dry:
            return body
        key = key_of(resource, old)
        stored = self.store.put(key, body)
        deletion.finish(self.store, key)
        return stored

    def _unmanaged(self, resource: Resource, body: Json) -> Json:
        namespace = body["metadata"]["namespace"]
        filled = fill_new(resource, namespace, body, self._now())
        filled["metadata"]["uid"] = body["metadata"].get("uid") or filled["metadata"]["uid"]
        if resource is JOBS:
            filled["spec"].setdefault("managedBy", "eventrain.dev/nobody")
        if resource is PODS:
            filled["spec"].setdefault("nodeName", "elsewhere")
        if "status" in body:
            filled["status"] = body["status"]
        return filled


def _readable(resource: Resource, deed: Callable[[], T]) -> T:
    """A value of the wrong kind, deep in a body, is the client's mistake."""
    try:
        return deed()
    except (TypeError, AttributeError, KeyError, ValueError) as error:
        message = f'{resource.kind} in version "v1" cannot be handled as a {resource.kind}: {error}'
        raise bad_request(message) from error


def _check_kind(resource: Resource, body: Json) -> None:
    given = (body.get("apiVersion"), body.get("kind"))
    if given not in ((None, None), (resource.api_version, resource.kind)):
        message = (
            f"the API version in the data ({given[0]}, {given[1]}) does not match the expected"
        )
        raise bad_request(f"{message} API version ({resource.api_version}, {resource.kind})")


def _check_revision(resource: Resource, old: Json, body: Json) -> None:
    metadata = body.get("metadata") or {}
    given = metadata.get("resourceVersion")
    if given and given != old["metadata"]["resourceVersion"]:
        raise conflict(resource, old["metadata"]["name"])
    if metadata.get("uid") not in (None, old["metadata"]["uid"]):
        raise conflict(
            resource, old["metadata"]["name"], "Precondition failed: UID in precondition"
        )


def _taken(resource: Resource, old: Json) -> Refused:
    name = old["metadata"]["name"]
    if old["metadata"].get("deletionTimestamp"):
        refused = already_exists(resource, name)
        refused.args = (f"object is being deleted: {refused}",)
        return refused
    return already_exists(resource, name)
