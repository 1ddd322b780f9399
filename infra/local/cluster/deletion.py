"""What a delete does: at once, after a pod's grace, or when finalizers are gone."""

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from infra.local.cluster import moment
from infra.local.cluster.resource import JOBS, PODS, Json, Key, Resource, named
from infra.local.cluster.status import bad_request, conflict, not_found
from infra.local.cluster.store import Store

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"
_POLICIES = ("Background", "Foreground", "Orphan")


class Options(NamedTuple):
    policy: str | None = None
    grace: int | None = None
    uid: str | None = None
    revision: str | None = None

    @staticmethod
    def read(body: Json) -> "Options":
        policy = body.get("propagationPolicy")
        if policy is None and body.get("orphanDependents") is not None:
            policy = "Orphan" if body["orphanDependents"] else "Background"
        if policy not in (None, *_POLICIES):
            raise bad_request(f'invalid propagationPolicy "{policy}"')
        required: dict[str, Any] = body.get("preconditions") or {}
        grace = body.get("gracePeriodSeconds")
        return Options(policy, grace, required.get("uid"), required.get("resourceVersion"))


def delete(store: Store, key: Key, options: Options, now: datetime) -> Json | None:
    """Answers the object that is still to go, or nothing when it is gone already.

    A Job's dependents are orphaned unless a policy says otherwise, as the real API does it.
    """
    resource = named(key.resource)
    with store.writing():
        body = store.get(key)
        if body is None:
            raise not_found(resource, key.name)
        _check(resource, body, options)
        marked = _marked(resource, body, options, now)
        if _may_go(marked):
            store.remove(key)
            return None
        return marked if marked == body else store.put(key, marked)


def finish(store: Store, key: Key) -> None:
    """Removes what is being deleted, once nothing holds it any longer."""
    with store.writing():
        body = store.get(key)
        if body and body["metadata"].get("deletionTimestamp") and _may_go(body):
            store.remove(key)


def drop_finalizer(store: Store, key: Key, name: str) -> None:
    with store.writing():
        body = store.get(key)
        if body is None or name not in (body["metadata"].get("finalizers") or []):
            return
        left = [each for each in body["metadata"]["finalizers"] if each != name]
        body["metadata"]["finalizers"] = left
        store.put(key, body)
        finish(store, key)


def _check(resource: Resource, body: Json, options: Options) -> None:
    metadata = body["metadata"]
    for wanted, field in ((options.uid, "uid"), (options.revision, "resourceVersion")):
        if wanted is not None and wanted != metadata[field]:
            why = f"the {field} in the precondition ({wanted}) does not match the {field} in record"
            raise conflict(resource, metadata["name"], f"{why} ({metadata[field]})")


def _marked(resource: Resource, body: Json, options: Options, now: datetime) -> Json:
    metadata = dict(body["metadata"])
    policy = options.policy or ("Orphan" if resource is JOBS else "Background")
    finalizers = set(metadata.get("finalizers") or [])
    if policy == "Foreground":
        finalizers.add(FOREGROUND)
    if policy == "Orphan" and resource is JOBS:
        finalizers.add(ORPHAN)
    metadata["finalizers"] = sorted(finalizers)
    grace = _grace(resource, body, options)
    shorter = grace < metadata.get("deletionGracePeriodSeconds", grace + 1)
    if shorter or "deletionTimestamp" not in metadata:
        metadata["deletionTimestamp"] = moment.write(now + timedelta(seconds=grace))
        metadata["deletionGracePeriodSeconds"] = grace
    return body | {"metadata": metadata}


def _grace(resource: Resource, body: Json, options: Options) -> int:
    ended = body.get("status", {}).get("phase") in ("Succeeded", "Failed")
    if resource is not PODS or ended or not body["spec"].get("nodeName"):
        return 0
    if options.grace is not None:
        return max(options.grace, 0)
    return body["spec"]["terminationGracePeriodSeconds"]


def _may_go(body: Json) -> bool:
    metadata = body["metadata"]
    return not metadata.get("finalizers") and not metadata.get("deletionGracePeriodSeconds")
