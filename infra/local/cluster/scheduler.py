"""Binds pods to the node, oldest waiting first, and says why one has to wait."""

import json

from infra.local.cluster import condition
from infra.local.cluster.events import Recorder
from infra.local.cluster.moment import Now
from infra.local.cluster.node import Amounts, Node, requests
from infra.local.cluster.resource import PODS, Json, Key
from infra.local.cluster.store import Store

_NO_PREEMPTION = (
    "no new claims to deallocate, preemption: 0/1 nodes are available: "
    "1 Preemption is not helpful for scheduling."
)


class Scheduler:
    def __init__(self, store: Store, node: Node, now: Now, recorder: Recorder) -> None:
        self._store = store
        self._node = node
        self._now = now
        self._record = recorder
        self._held: dict[Key, Amounts] = {}
        self._waiting: dict[Key, str] = {}

    def look(self, key: Key) -> float | None:
        pod = self._store.get(key)
        if pod is None or _ended(pod):
            self._waiting.pop(key, None)
            if self._held.pop(key, None) is not None:
                self._try_waiting()
        elif pod["spec"].get("nodeName") == self._node.name:
            self._held[key] = requests(pod)
        elif not pod["spec"].get("nodeName"):
            self._waiting[key] = _wish(pod)
            self._try(key, pod)
        return None

    def _try_waiting(self) -> None:
        """However many wait: of those that wish for the same, none is asked after one that was
        refused."""
        refused = set[str]()
        for key, wish in list(self._waiting.items()):
            pod = None if wish in refused else self._store.get(key)
            if pod and not self._try(key, pod):
                refused.add(wish)

    def _try(self, key: Key, pod: Json) -> bool:
        objections = self._node.objections(pod, list(self._held.values()))
        if objections:
            self._refuse(key, pod, objections)
            return False
        del self._waiting[key]
        self._held[key] = requests(pod)
        pod["spec"]["nodeName"] = self._node.name
        condition.place(pod["status"], "PodScheduled", self._now())
        self._store.put(key, pod)
        message = f"Successfully assigned {key.namespace}/{key.name} to {self._node.name}"
        self._record(PODS, pod, "Normal", "Scheduled", message)
        return True

    def _refuse(self, key: Key, pod: Json, objections: list[str]) -> None:
        reasons = ", ".join(f"1 {each}" for each in objections)
        message = f"0/1 nodes are available: {reasons}. {_NO_PREEMPTION}"
        before = pod["status"].get("conditions") or []
        if any(each.get("message") == message for each in before):
            return
        condition.place(
            pod["status"],
            "PodScheduled",
            self._now(),
            true=False,
            reason="Unschedulable",
            message=message,
        )
        self._store.put(key, pod)
        self._record(PODS, pod, "Warning", "FailedScheduling", message)


def _wish(pod: Json) -> str:
    """All of a pod that decides whether it may run on a node."""
    spec = pod["spec"]
    wished = [requests(pod), spec.get("nodeSelector"), spec.get("tolerations")]
    return json.dumps(wished, default=str, sort_keys=True)


def _ended(pod: Json) -> bool:
    return pod["status"].get("phase") in ("Succeeded", "Failed")
