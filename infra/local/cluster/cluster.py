"""A small Kubernetes on one machine: the API of Jobs, Secrets and Pods, and a node of processes.

    cluster = Cluster(folder, images=images, capacity={"cpu": "8", "memory": "16Gi"}, token=token)
    await cluster.start()
    ...  # serve cluster.app, write cluster.kubeconfig("http://127.0.0.1:6443") to a file
    await cluster.stop(kill_pods=True)

All state lies in the folder. Pods outlive the server, unless they are told to stop; the next
`start` on the folder finds them again. README.md says where this differs from a real cluster.
"""

import asyncio
import os
import random
from collections.abc import Iterable, Mapping
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from infra.local.cluster import deletion, events, pod_status
from infra.local.cluster.api import answer_http_error, answer_refused, api_routes
from infra.local.cluster.control_plane import ControlPlane
from infra.local.cluster.fault_api import fault_routes
from infra.local.cluster.faults import Faults
from infra.local.cluster.gate import Gate
from infra.local.cluster.kubeconfig import write_kubeconfig
from infra.local.cluster.kubelet import Kubelet
from infra.local.cluster.moment import Now, utc_now
from infra.local.cluster.node import Node
from infra.local.cluster.objects import Objects
from infra.local.cluster.pod_log import read_log
from infra.local.cluster.pod_worker import Ending
from infra.local.cluster.preparation import Images, NodeContext
from infra.local.cluster.resource import PODS, Json, Key, named
from infra.local.cluster.status import Refused
from infra.local.cluster.store import Store

_LOW_ON_MEMORY = "The node was low on resource: memory."
_PREEMPTED = "default-scheduler: preempting to accommodate a higher priority pod"
_SHUTDOWN_SECONDS = 10.0


class Cluster:
    def __init__(
        self,
        folder: Path,
        *,
        images: Images,
        capacity: Mapping[str, str],
        token: str,
        faults: Faults | None = None,
        namespaces: Iterable[str] = ("default",),
        node_labels: Mapping[str, str] | None = None,
        node_taints: Iterable[Mapping[str, str]] = (),
        host: Mapping[str, str] | None = None,
        routes: Iterable[BaseRoute] = (),
        now: Now = utc_now,
    ) -> None:
        """`host` is the environment that PATH and LANG come from, by default this process's;
        `routes` lead to what the API offers beside the objects of its own."""
        folder = folder.resolve()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.faults = faults or Faults()
        self.store = Store(folder / "objects.db")
        self.objects = Objects(self.store, namespaces, now)
        self._pods = folder / "pods"
        self._images = images
        self._token = token
        self._now = now
        self._host = os.environ if host is None else host
        labels = {**Node(capacity).labels, **(node_labels or {})}
        self._node = Node(capacity, labels, tuple(node_taints))
        self._control: ControlPlane | None = None
        self.app = self._build_app(routes)

    def kubeconfig(self, address: str, namespace: str | None = None) -> str:
        home = namespace or min(self.objects.namespaces)
        return write_kubeconfig(address, self._token, home)

    async def start(self) -> None:
        record = events.recorder(self.store, self._now)
        context = NodeContext(
            self.store,
            self._images,
            self._now,
            record,
            path=self._host.get("PATH", os.defpath),
            lang=self._host.get("LANG", "C.UTF-8"),
        )
        kubelet = Kubelet(context, self._node.name, self._pods)
        self._control = ControlPlane(self.store, self._node, kubelet, self._now, record)
        self._control.start()

    async def stop(self, *, kill_pods: bool) -> None:
        """With `kill_pods`, pods get SIGTERM, and SIGKILL ten seconds later; else they run on."""
        if self._control:
            await self._control.stop(_SHUTDOWN_SECONDS if kill_pods else None)
            self._control = None
        await asyncio.sleep(0)
        self.store.close()

    def insert(self, resource: str, items: Iterable[Json]) -> int:
        """Writes objects as they are, in one transaction; nobody acts on them."""
        return self.objects.insert(named(resource), items)

    def forget(
        self, resource: str, *, names: list[str] | None = None, fraction: float | None = None
    ) -> list[str]:
        """Loses objects without a trace, as the restore of an old etcd does."""
        found = self.store.rows(resource, None, self.store.revision, None)
        keys = [Key(resource, row.namespace, row.name) for row in found]
        lost = [key for key in keys if names is None or key.name in names]
        if fraction is not None:
            lost = random.sample(lost, round(len(lost) * fraction))
        with self.store.writing():
            for key in lost:
                self.store.remove(key)
        return [key.name for key in lost]

    def expire(self) -> None:
        """Every continue token, and every older revision, answers 410 from now on."""
        self.store.compact()

    def lose_node(self) -> None:
        """All pods die at once; they fail, marked as disrupted, and are collected."""
        self._running.kubelet.lose()

    def isolate_node(self) -> None:
        """Pods run on, unheard of: NodeLost and Terminating until `rejoin_node`."""
        self._running.kubelet.isolate()

    def rejoin_node(self) -> None:
        self._running.kubelet.rejoin()

    def evict(self, namespace: str, pod: str, reason: str = "Evicted") -> None:
        """`Evicted`: the pod fails and stays. `Preempted`: it is deleted, with its grace."""
        if reason == "Evicted":
            ending = Ending("Evicted", _LOW_ON_MEMORY, disruption="TerminationByKubelet")
            self._running.kubelet.end(namespace, pod, ending)
            return
        with self.store.writing():
            body = self.objects.get(PODS, namespace, pod)
            pod_status.disrupted(body["status"], "PreemptionByScheduler", _PREEMPTED, self._now())
            key = Key(PODS.plural, namespace, pod)
            self.store.put(key, body)
            deletion.delete(self.store, key, deletion.Options(), self._now())

    @property
    def _running(self) -> ControlPlane:
        if self._control is None:
            raise RuntimeError("the cluster was not started")
        return self._control

    def _build_app(self, others: Iterable[BaseRoute]) -> ASGIApp:
        routes = api_routes(self.objects, lambda pod, params: read_log(self._pods, pod, params))
        app = Starlette(
            routes=[*routes, *fault_routes(self), *others],
            exception_handlers={Refused: answer_refused, HTTPException: answer_http_error},
        )
        app.router.redirect_slashes = False
        return Gate(app, token=self._token, faults=self.faults, now=self._now)
