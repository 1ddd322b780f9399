"""Deletes what has lost its owners, and holds owners that wait for their dependents."""

from infra.local.cluster import deletion
from infra.local.cluster.deletion import FOREGROUND, ORPHAN, Options
from infra.local.cluster.job_controller import TRACKING
from infra.local.cluster.moment import Now
from infra.local.cluster.resource import PODS, Json, Key
from infra.local.cluster.store import Change, Store


class GarbageCollector:
    def __init__(self, store: Store, now: Now) -> None:
        self._store = store
        self._now = now

    def look(self, change: Change) -> float | None:
        with self._store.writing():
            body = self._store.get(change.key)
            if change.removed or body is None:
                self._owner_gone(change.uid)
                self._tell_owners(change.owners)
            else:
                self._owners_of(change.key, body)
                self._dependents_of(change, body)
        return None

    def _owner_gone(self, uid: str) -> None:
        for key in self._store.owned(uid):
            body = self._store.get(key)
            if body:
                self._owners_of(key, body)

    def _owners_of(self, key: Key, body: Json) -> None:
        owners = body["metadata"].get("ownerReferences") or []
        alive = [owner for owner in owners if self._store.exists(owner["uid"])]
        if not owners or len(alive) == len(owners):
            return
        if alive:
            body["metadata"]["ownerReferences"] = alive
            self._store.put(key, body)
            return
        if key.resource == PODS.plural:
            deletion.drop_finalizer(self._store, key, TRACKING)
        self._delete(key, "Background")

    def _dependents_of(self, change: Change, body: Json) -> None:
        key, metadata = change.key, body["metadata"]
        finalizers = metadata.get("finalizers") or []
        if not metadata.get("deletionTimestamp"):
            self._tell_owners(change.owners)
        elif ORPHAN in finalizers:
            self._orphan(metadata["uid"])
            deletion.drop_finalizer(self._store, key, ORPHAN)
        elif FOREGROUND in finalizers:
            self._delete_dependents(key, metadata["uid"])

    def _tell_owners(self, owners: tuple[Key, ...]) -> None:
        """An owner that waits in the foreground goes when its last dependent is gone."""
        for key in owners:
            found = self._store.get(key)
            if found and FOREGROUND in (found["metadata"].get("finalizers") or []):
                self._delete_dependents(key, found["metadata"]["uid"])

    def _orphan(self, uid: str) -> None:
        for key in self._store.owned(uid):
            body = self._store.get(key)
            if body:
                kept = [each for each in body["metadata"]["ownerReferences"] if each["uid"] != uid]
                body["metadata"]["ownerReferences"] = kept
                finalizers = body["metadata"].get("finalizers") or []
                body["metadata"]["finalizers"] = [each for each in finalizers if each != TRACKING]
                self._store.put(key, body)

    def _delete_dependents(self, key: Key, uid: str) -> None:
        dependents = self._store.owned(uid)
        for dependent in dependents:
            body = self._store.get(dependent)
            if body and not body["metadata"].get("deletionTimestamp"):
                self._delete(dependent, "Background")
            if dependent.resource == PODS.plural:
                deletion.drop_finalizer(self._store, dependent, TRACKING)
        if not self._store.owned(uid):
            deletion.drop_finalizer(self._store, key, FOREGROUND)

    def _delete(self, key: Key, policy: str) -> None:
        if self._store.get(key):
            deletion.delete(self._store, key, Options(policy=policy), self._now())
