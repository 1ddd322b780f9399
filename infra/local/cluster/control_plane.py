"""Whoever acts on changes of the store, each with a queue of its own."""

import asyncio
import time
from typing import Any

from infra.local.cluster import events
from infra.local.cluster.events import Recorder
from infra.local.cluster.garbage import GarbageCollector
from infra.local.cluster.job_controller import JobController, is_finished
from infra.local.cluster.kubelet import Kubelet
from infra.local.cluster.moment import Now
from infra.local.cluster.node import Node
from infra.local.cluster.resource import EVENTS, JOBS, PODS, key_of
from infra.local.cluster.scheduler import Scheduler
from infra.local.cluster.store import Change, Store
from infra.local.cluster.workqueue import WorkQueue

_HISTORY_SECONDS = 300.0


class ControlPlane:
    def __init__(
        self,
        store: Store,
        node: Node,
        kubelet: Kubelet,
        now: Now,
        record: Recorder,
    ) -> None:
        self.kubelet = kubelet
        self._store = store
        self._now = now
        self._history_until: tuple[float, int] | None = None
        self._garbage = WorkQueue(GarbageCollector(store, now).look)
        self._jobs = WorkQueue(JobController(store, now, record).look)
        self._scheduler = WorkQueue(Scheduler(store, node, now, record).look)
        self._kubelet = WorkQueue(kubelet.look)
        self._history = WorkQueue(self._drop_history)
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self.kubelet.clean()
        self._store.listen(self._notice)
        self._look_at_everything()
        for queue in self._queues():
            self._tasks.append(asyncio.create_task(queue.run()))

    async def stop(self, grace: float | None) -> None:
        """With a grace pods are ended and their ends written, else they run on."""
        if grace is None:
            await self.kubelet.leave()
        else:
            await self.kubelet.shut_down(grace)
        self._store.ignore(self._notice)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _queues(self) -> tuple[WorkQueue[Any], ...]:
        return (self._garbage, self._jobs, self._scheduler, self._kubelet, self._history)

    def _notice(self, change: Change) -> None:
        key = change.key
        self._history.add("history")
        if key.resource == EVENTS.plural:
            return
        self._garbage.add(change)
        if key.resource == JOBS.plural:
            self._jobs.add(key)
        if key.resource == PODS.plural:
            self._scheduler.add(key)
            for owner in change.owners:
                self._jobs.add(owner)
        if key.resource != JOBS.plural:
            self._kubelet.add(change)

    def _look_at_everything(self) -> None:
        for key in self._store.all_owned():
            self._garbage.add(Change(key, "", (), removed=False))
        for job in self._store.all(JOBS.plural):
            if not is_finished(job["status"]) or "ttlSecondsAfterFinished" in job["spec"]:
                self._jobs.add(key_of(JOBS, job))
        for pod in self._store.all(PODS.plural):
            key = key_of(PODS, pod)
            self._scheduler.add(key)
            self._kubelet.add(Change(key, pod["metadata"]["uid"], (), removed=False))

    def _drop_history(self, _: str) -> float | None:
        """What is five minutes old; then nothing is due until something changes."""
        now, revision = time.monotonic(), self._store.revision
        if self._history_until is None:
            self._history_until = (now + _HISTORY_SECONDS, revision)
        due, until = self._history_until
        if now < due:
            return due - now
        self._history_until = None
        self._store.compact_before(until)
        events.drop_old(self._store, self._now)
        return 0.0 if self._store.revision > until else None
