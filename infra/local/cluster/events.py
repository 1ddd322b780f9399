"""Events: what happened to an object, in words, for an hour."""

import zlib
from collections.abc import Callable
from datetime import timedelta

from infra.local.cluster import moment
from infra.local.cluster.defaults import random_suffix
from infra.local.cluster.moment import Now
from infra.local.cluster.resource import EVENTS, Json, Resource, key_of
from infra.local.cluster.store import Store

Recorder = Callable[[Resource, Json, str, str, str], None]
_KEPT = timedelta(hours=1)


def recorder(store: Store, now: Now) -> Recorder:
    """Repeats of the same event are counted in the first one."""

    def record(resource: Resource, body: Json, kind: str, reason: str, message: str) -> None:
        metadata = body["metadata"]
        time = moment.write(now())
        name = f"{metadata['name']}.{reason.lower()}.{zlib.crc32(message.encode()):08x}"
        fresh: Json = {
            "metadata": {
                "name": name,
                "namespace": metadata["namespace"],
                "uid": f"{metadata['uid']}-{random_suffix()}",
                "creationTimestamp": time,
            },
            "involvedObject": {
                "kind": resource.kind,
                "namespace": metadata["namespace"],
                "name": metadata["name"],
                "uid": metadata["uid"],
                "apiVersion": resource.api_version,
            },
            "reason": reason,
            "message": message,
            "type": kind,
            "source": {"component": "eventrain-local"},
            "firstTimestamp": time,
            "lastTimestamp": time,
            "count": 1,
        }
        key = key_of(EVENTS, fresh)
        if old := store.get(key):
            fresh = old | {"lastTimestamp": time, "count": old["count"] + 1}
        store.put(key, fresh)

    return record


def drop_old(store: Store, now: Now) -> None:
    before = moment.write(now() - _KEPT)
    for event in list(store.all(EVENTS.plural)):
        if event["lastTimestamp"] < before:
            store.remove(key_of(EVENTS, event))
