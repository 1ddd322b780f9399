"""Carries one pod from being bound to its end."""

import asyncio
import os
import shutil
import signal
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from infra.local.cluster import deletion, moment, pod_status
from infra.local.cluster.environment import NotConfigured
from infra.local.cluster.preparation import NodeContext, NoImage, Pulling, prepare
from infra.local.cluster.process import Exit, Launch, Process
from infra.local.cluster.resource import PODS, Json, Key
from infra.local.cluster.volumes import NotMounted, Volumes

_RETRY_SECONDS = 2.0


class Waiting(NamedTuple):
    reason: str
    message: str
    event: str = ""
    kind: str = "Warning"


class Ending(NamedTuple):
    """Why the node itself ends a pod."""

    reason: str
    message: str
    disruption: str = ""


_DEADLINE = Ending(
    "DeadlineExceeded", "Pod was active on the node longer than the specified deadline"
)


class PodWorker:
    def __init__(self, node: NodeContext, key: Key, pod: Json, folder: Path) -> None:
        self.key = key
        self.uid = pod["metadata"]["uid"]
        self._node = node
        self._folder = folder
        self._volumes = Volumes(node.store, folder / "volumes")
        self._names = [container["name"] for container in pod["spec"]["containers"]]
        self._processes = {name: container_process(folder, name) for name in self._names}
        self._ended: dict[str, Exit] = {}
        self._wake = asyncio.Event()
        self._ending: Ending | None = None
        self._kill_at: datetime | None = None
        self._image_failures = 0
        self._pulling = False
        self._pulled_at: datetime | None = None

    def wake(self) -> None:
        self._wake.set()

    def end(self, ending: Ending) -> None:
        """Stops the pod, with its grace; it will have failed for this reason."""
        self._ending = self._ending or ending
        self._wake.set()

    def kill(self) -> None:
        for process in self._processes.values():
            process.signal(signal.SIGKILL)

    async def run(self) -> None:
        if any(process.claimed() for process in self._processes.values()) or await self._begin():
            await self._follow()

    async def _begin(self) -> bool:
        """True when the containers were started; waits for what they need."""
        while True:
            await self._node.reachable.wait()
            self._wake.clear()
            pod = self._read()
            if pod is None:
                return False
            if pod["metadata"].get("deletionTimestamp"):
                pod["status"]["phase"] = "Failed"
                self._leave(pod)
                return False
            self._take_over(pod)
            overdue = None if self._pulling else self._overdue(pod)
            if ending := self._ending or overdue:
                self._fail(pod, ending)
                return False
            problem = await self._try_to_start(pod)
            if problem is None:
                return True
            self._show_waiting(pod, problem)
            await self._pause(_RETRY_SECONDS)

    async def _follow(self) -> None:
        watches = [asyncio.create_task(self._watch(name)) for name in self._names]
        try:
            self._show_running()
            while len(self._ended) < len(self._names):
                await self._pause(self._look())
                await self._node.reachable.wait()
            self._show_end()
        finally:
            for watch in watches:
                watch.cancel()

    async def _watch(self, name: str) -> None:
        self._ended[name] = await self._processes[name].wait()
        self._wake.set()

    def _look(self) -> float | None:
        """Acts on what changed; answers when to look again whatever happens."""
        self._wake.clear()
        pod = self._read()
        if pod is None:
            self.kill()
            return None
        self._refresh(pod)
        self._ending = self._ending or self._overdue(pod)
        if self._ending or pod["metadata"].get("deletionTimestamp"):
            return self._terminate(pod)
        return self._until_deadline(pod)

    def _terminate(self, pod: Json) -> float | None:
        now = self._node.now()
        metadata, spec = pod["metadata"], pod["spec"]
        grace = metadata.get("deletionGracePeriodSeconds", spec["terminationGracePeriodSeconds"])
        latest = now + timedelta(seconds=grace)
        if self._kill_at is None:
            self._signal(signal.SIGTERM)
            self._node.record(PODS, pod, "Normal", "Killing", f"Stopping {' '.join(self._names)}")
        self._kill_at = min(self._kill_at or latest, latest)
        if now < self._kill_at:
            return (self._kill_at - now).total_seconds()
        self._signal(signal.SIGKILL)
        return None

    def _signal(self, number: int) -> None:
        for name, process in self._processes.items():
            if name not in self._ended:
                process.signal(number)

    async def _try_to_start(self, pod: Json) -> Waiting | None:
        self._pulling = False
        try:
            self._volumes.mount(pod)
            launches = {
                each["name"]: self._prepare(pod, each) for each in pod["spec"]["containers"]
            }
        except NotMounted as error:
            return Waiting("ContainerCreating", "", f"FailedMount {error}")
        except NotConfigured as error:
            return Waiting("CreateContainerConfigError", str(error), f"Failed Error: {error}")
        except Pulling as error:
            return self._pull(error)
        except NoImage as error:
            return self._without_image(error)
        for name, launch in launches.items():
            await self._start(name, launch)
        return None

    def _prepare(self, pod: Json, container: Json) -> Launch | Exit:
        mounts = self._volumes.paths(container)
        return prepare(self._node, pod, container, self._folder, mounts)

    async def _start(self, name: str, launch: Launch | Exit) -> None:
        if isinstance(launch, Exit):
            self._ended[name] = launch
            return
        for each in ("home", "tmp"):
            (self._folder / each).mkdir(mode=0o700, exist_ok=True)
        try:
            await self._processes[name].start(launch)
        except OSError as error:
            message = f"the process cannot be started: {error}"
            self._ended[name] = Exit(128, self._node.now(), "StartError", message)

    def _pull(self, pulling: Pulling) -> Waiting:
        self._pulling, self._pulled_at = True, self._node.now()
        event = f'Pulling Pulling image "{pulling.image}": {pulling}'
        return Waiting("ContainerCreating", str(pulling), event, "Normal")

    def _without_image(self, missing: NoImage) -> Waiting:
        self._image_failures += 1
        if self._image_failures % 2:
            message = f'failed to pull image "{missing.image}": {missing}'
            return Waiting("ErrImagePull", message, f"Failed {message}")
        message = f'Back-off pulling image "{missing.image}": {missing}'
        return Waiting("ImagePullBackOff", message, f"BackOff {message}")

    def _refresh(self, pod: Json) -> None:
        try:
            self._volumes.mount(pod)
        except NotMounted as error:
            self._node.record(PODS, pod, "Warning", "FailedMount", str(error))

    def _overdue(self, pod: Json) -> Ending | None:
        left = self._until_deadline(pod)
        return _DEADLINE if left is not None and left <= 0 else None

    def _until_deadline(self, pod: Json) -> float | None:
        """Pulling is no part of the time that a pod may be active here: it may be a long build."""
        seconds, start = pod["spec"].get("activeDeadlineSeconds"), pod["status"].get("startTime")
        if seconds is None or start is None:
            return None
        over = (self._pulled_at or moment.read(start)) + timedelta(seconds=seconds)
        return (over - self._node.now()).total_seconds()

    def _read(self) -> Json | None:
        pod = self._node.store.get(self.key)
        return pod if pod and pod["metadata"]["uid"] == self.uid else None

    def _take_over(self, pod: Json) -> None:
        if "startTime" not in pod["status"]:
            pod_status.begin(pod["status"], self._node.now())
            pod_status.waiting(pod, pod["status"], "ContainerCreating", "", self._node.now())
            self._node.store.put(self.key, pod)

    def _show_waiting(self, pod: Json, problem: Waiting) -> None:
        states = pod["status"].get("containerStatuses") or []
        shown = states[0]["state"].get("waiting", {}) if states else {}
        if (shown.get("reason"), shown.get("message", "")) != problem[:2]:
            pod_status.waiting(pod, pod["status"], *problem[:2], self._node.now())
            self._node.store.put(self.key, pod)
        if problem.event:
            reason, _, message = problem.event.partition(" ")
            self._node.record(PODS, pod, problem.kind, reason, message)

    def _show_running(self) -> None:
        pod = self._read()
        if pod and pod["status"].get("phase") == "Pending":
            started = self._started()
            if self._pulled_at:
                pod["status"]["startTime"] = moment.write(self._pulled_at)
            pod_status.running(pod, pod["status"], started, self._ended, self._node.now())
            self._node.store.put(self.key, pod)
            for name in started:
                self._node.record(PODS, pod, "Normal", "Started", f"Container started: {name}")

    def _show_end(self) -> None:
        pod = self._read()
        if pod is None:
            return
        status, now = pod["status"], self._node.now()
        pod_status.finished(pod, status, self._started(), self._ended, now)
        if self._ending:
            self._mark(status, self._ending)
        self._leave(pod)

    def _fail(self, pod: Json, ending: Ending) -> None:
        self._mark(pod["status"], ending)
        self._node.store.put(self.key, pod)

    def _mark(self, status: Json, ending: Ending) -> None:
        now = self._node.now()
        pod_status.failed(status, ending.reason, ending.message, now)
        if ending.disruption:
            pod_status.disrupted(status, ending.disruption, ending.message, now)

    def _leave(self, pod: Json) -> None:
        """Writes the last status; a pod that is being deleted may go now."""
        with self._node.store.writing():
            if pod["metadata"].get("deletionTimestamp"):
                pod["metadata"]["deletionGracePeriodSeconds"] = 0
            self._node.store.put(self.key, pod)
            deletion.finish(self._node.store, self.key)

    def _started(self) -> dict[str, datetime]:
        claimed = {name: each for name, each in self._processes.items() if each.claimed()}
        return {name: each.started_at for name, each in claimed.items()}

    async def _pause(self, seconds: float | None) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            return


def container_process(folder: Path, name: str) -> Process:
    return Process(folder / "containers" / name)


def remove_folder(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder, ignore_errors=os.name == "nt")
