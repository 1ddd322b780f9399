"""Runs the node's pods, and finds those again that outlived the server."""

import asyncio
import signal
from pathlib import Path

from infra.local.cluster import deletion, pod_status
from infra.local.cluster.log import log_failure
from infra.local.cluster.pod_worker import (
    Ending,
    PodWorker,
    container_process,
    remove_folder,
)
from infra.local.cluster.preparation import NodeContext
from infra.local.cluster.process import Process
from infra.local.cluster.resource import PODS, Json, Key
from infra.local.cluster.store import Change

_SHUTDOWN = Ending(
    "Terminated",
    "Pod was terminated in response to imminent node shutdown.",
    disruption="TerminationByKubelet",
)
_RETRY_SECONDS = 5.0
_NODE_GONE = "PodGC: node no longer exists"


class Kubelet:
    def __init__(self, node: NodeContext, name: str, folder: Path) -> None:
        self._node = node
        self._name = name
        self._folder = folder
        self._workers: dict[str, PodWorker] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._closing = False
        node.reachable.set()

    def clean(self) -> None:
        """Ends what runs for a pod that is no more; before the first `look`."""
        known = {pod["metadata"]["uid"] for pod in self._node.store.all(PODS.plural)}
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in self._folder.iterdir():
            if folder.name not in known:
                for process in _processes(folder):
                    process.signal(signal.SIGKILL)
                remove_folder(folder)

    def look(self, change: Change) -> float | None:
        key = change.key
        if key.resource != PODS.plural:
            self._wake_namespace(key.namespace)
            return None
        pod = self._node.store.get(key)
        for worker in [each for each in self._workers.values() if each.key == key]:
            worker.wake()
        if pod and self._is_ours(pod) and pod["metadata"]["uid"] not in self._workers:
            self._begin(key, pod)
        if change.removed and change.uid not in self._workers:
            remove_folder(self._folder / change.uid)
        return None

    def end(self, namespace: str, name: str, ending: Ending) -> None:
        """Raises LookupError for a pod that does not run here."""
        key = Key(PODS.plural, namespace, name)
        found = [worker for worker in self._workers.values() if worker.key == key]
        if not found:
            raise LookupError(f"no pod {name} runs here")
        found[0].end(ending)

    def lose(self) -> None:
        """The node burns down: all processes die at once, and the pods are collected."""
        for worker in list(self._workers.values()):
            self._tasks[worker.uid].cancel()
            worker.kill()
            self._forget(worker)

    def isolate(self) -> None:
        """The API hears nothing from the node any more; what runs there runs on."""
        self._node.reachable.clear()
        for worker in self._workers.values():
            pod = self._node.store.get(worker.key)
            if pod:
                message = (
                    f"Node {self._name} which was running pod {worker.key.name} is unresponsive"
                )
                pod["status"] |= {"reason": "NodeLost", "message": message}
                now = self._node.now()
                pod_status.disrupted(pod["status"], "DeletionByTaintManager", message, now)
                self._node.store.put(worker.key, pod)
                deletion.delete(self._node.store, worker.key, deletion.Options(), now)

    def rejoin(self) -> None:
        self._node.reachable.set()

    async def shut_down(self, grace: float) -> None:
        """Ends all pods, as a node that is shut down in good order."""
        self._closing = True
        self.rejoin()
        for worker in self._workers.values():
            worker.end(_SHUTDOWN)
        tasks = list(self._tasks.values())
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=grace)
        if late:
            for worker in self._workers.values():
                worker.kill()
            await asyncio.wait(late)

    async def leave(self) -> None:
        """Stops looking after the pods, which run on."""
        self._closing = True
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _is_ours(self, pod: Json) -> bool:
        if self._closing or pod["spec"].get("nodeName") != self._name:
            return False
        return pod["status"].get("phase") not in ("Succeeded", "Failed")

    def _begin(self, key: Key, pod: Json) -> None:
        folder = self._folder / pod["metadata"]["uid"]
        folder.mkdir(mode=0o700, exist_ok=True)
        worker = PodWorker(self._node, key, pod, folder)
        self._workers[worker.uid] = worker
        task = asyncio.create_task(self._run(worker))
        task.add_done_callback(lambda ended: self._ended(worker, ended))
        self._tasks[worker.uid] = task

    async def _run(self, worker: PodWorker) -> None:
        try:
            await worker.run()
        finally:
            self._workers.pop(worker.uid, None)
            self._tasks.pop(worker.uid, None)
            if not self._closing and not self._node.store.exists(worker.uid):
                remove_folder(self._folder / worker.uid)

    def _ended(self, worker: PodWorker, task: asyncio.Task[None]) -> None:
        """A full disk, say, is no reason to give a pod up."""
        if task.cancelled() or (error := task.exception()) is None:
            return
        log_failure(f"running pod {worker.key.name}", error)
        again = Change(worker.key, worker.uid, (), removed=False)
        asyncio.get_running_loop().call_later(_RETRY_SECONDS, self.look, again)

    def _wake_namespace(self, namespace: str) -> None:
        for worker in self._workers.values():
            if worker.key.namespace == namespace:
                worker.wake()

    def _forget(self, worker: PodWorker) -> None:
        pod = self._node.store.get(worker.key)
        if pod is None:
            return
        now = self._node.now()
        with self._node.store.writing():
            pod["status"]["phase"] = "Failed"
            pod_status.disrupted(pod["status"], "DeletionByPodGC", _NODE_GONE, now)
            self._node.store.put(worker.key, pod)
            deletion.delete(self._node.store, worker.key, deletion.Options(grace=0), now)


def _processes(folder: Path) -> list[Process]:
    containers = folder / "containers"
    if not containers.exists():
        return []
    return [container_process(folder, each.name) for each in containers.iterdir()]
