"""Makes pods for Jobs and draws the Jobs' status from their pods, as Kubernetes 1.36 does.

FailureTarget and SuccessCriteriaMet come as soon as the end is certain, Failed and Complete once
no pod is left running. Not here: pod failure policy, success policy, limits by index.
"""

import copy
from datetime import datetime, timedelta
from typing import NamedTuple, cast

from infra.local.cluster import condition, deletion, moment
from infra.local.cluster.defaults import fill_new, random_suffix
from infra.local.cluster.deletion import Options
from infra.local.cluster.events import Recorder
from infra.local.cluster.moment import Now
from infra.local.cluster.resource import JOBS, PODS, Json, Key, key_of
from infra.local.cluster.store import Store

TRACKING = "batch.kubernetes.io/job-tracking"
_MANAGER = "kubernetes.io/job-controller"
_INDEX = "batch.kubernetes.io/job-completion-index"
_LONGEST_BACK_OFF = 600


class Pods(NamedTuple):
    active: list[Json]
    terminating: list[Json]
    ended: list[Json]

    @staticmethod
    def sort(pods: list[Json]) -> "Pods":
        sorted_pods = Pods([], [], [])
        for pod in pods:
            if pod["status"].get("phase") in ("Succeeded", "Failed"):
                sorted_pods.ended.append(pod)
            elif pod["metadata"].get("deletionTimestamp"):
                sorted_pods.terminating.append(pod)
            else:
                sorted_pods.active.append(pod)
        return sorted_pods


class JobController:
    def __init__(self, store: Store, now: Now, recorder: Recorder) -> None:
        self._store = store
        self._now = now
        self._record = recorder

    def look(self, key: Key) -> float | None:
        with self._store.writing():
            job = self._store.get(key)
            if job is None or job["spec"].get("managedBy", _MANAGER) != _MANAGER:
                return None
            if is_finished(job["status"]):
                self._release(job)
                return self._expire(key, job)
            return self._reconcile(key, job)

    def pods(self, job: Json) -> list[Json]:
        keys = self._store.owned(job["metadata"]["uid"])
        found = (self._store.get(key) for key in keys if key.resource == PODS.plural)
        return [pod for pod in found if pod]

    def _reconcile(self, key: Key, job: Json) -> float | None:
        now = self._now()
        status = cast(Json, {**job["status"], "conditions": [*job["status"].get("conditions", [])]})
        self._count(job, status)
        pods = Pods.sort(self.pods(job))
        again: float | None = None
        if not job["metadata"].get("deletionTimestamp"):
            again = self._advance(job, status, pods, now)
        self._summarise(job, status, now)
        if status != job["status"]:
            self._store.put(key, job | {"status": status})
        return again

    def _count(self, job: Json, status: Json) -> None:
        """Counts each ended pod once: its finalizer goes in the same transaction."""
        for pod in self.pods(job):
            if TRACKING not in (pod["metadata"].get("finalizers") or []):
                continue
            phase = pod["status"].get("phase")
            gone = bool(pod["metadata"].get("deletionTimestamp"))
            if phase == "Succeeded":
                status["succeeded"] = status.get("succeeded", 0) + 1
                _note_index(status, pod)
            elif phase == "Failed" or gone:
                failed = not job["spec"].get("suspend")
                status["failed"] = status.get("failed", 0) + failed
            else:
                continue
            deletion.drop_finalizer(self._store, key_of(PODS, pod), TRACKING)

    def _advance(self, job: Json, status: Json, pods: Pods, now: datetime) -> float | None:
        spec = job["spec"]
        if spec.get("suspend"):
            self._suspend(status, pods, now)
            return None
        if condition.find(status, "Suspended"):
            condition.place(
                status, "Suspended", now, true=False, reason="JobResumed", message="Job resumed"
            )
        status.setdefault("startTime", moment.write(now))
        if self._decide(job, status, pods, now):
            self._stop(pods.active)
            return None
        return self._make_pods(job, status, pods, now)

    def _suspend(self, status: Json, pods: Pods, now: datetime) -> None:
        self._stop(pods.active)
        status.pop("startTime", None)
        if not condition.find(status, "Suspended"):
            condition.place(
                status, "Suspended", now, reason="JobSuspended", message="Job suspended"
            )

    def _decide(self, job: Json, status: Json, pods: Pods, now: datetime) -> bool:
        spec = job["spec"]
        if condition.find(status, "FailureTarget") or condition.find(status, "SuccessCriteriaMet"):
            return True
        wanted, succeeded = spec.get("completions"), status.get("succeeded", 0)
        met = succeeded >= wanted if wanted is not None else succeeded > 0 and not pods.active
        if met:
            _aim(status, "SuccessCriteriaMet", now, *_REACHED)
        elif status.get("failed", 0) > spec["backoffLimit"]:
            _aim(status, "FailureTarget", now, *_TOO_MANY_FAILURES)
        elif _deadline(job, status) is not None and now >= cast(datetime, _deadline(job, status)):
            _aim(status, "FailureTarget", now, *_TOO_LONG)
        else:
            return False
        return True

    def _stop(self, pods: list[Json]) -> None:
        for pod in pods:
            options = Options(policy="Background")
            deletion.delete(self._store, key_of(PODS, pod), options, self._now())

    def _make_pods(self, job: Json, status: Json, pods: Pods, now: datetime) -> float | None:
        spec = job["spec"]
        deadline = _deadline(job, status)
        waits = [(deadline - now).total_seconds()] if deadline else []
        wanted = spec["parallelism"]
        if spec.get("completions") is not None:
            wanted = min(wanted, spec["completions"] - status.get("succeeded", 0))
        missing = wanted - len(pods.active)
        pause = _back_off(status, pods, now)
        if missing > 0 and pause > 0:
            return min([pause, *waits])
        for index in _free_indexes(job, status, pods)[:missing] if missing > 0 else []:
            self._create_pod(job, index, now)
        return min(waits, default=None)

    def _create_pod(self, job: Json, index: int | None, now: datetime) -> None:
        pod = fill_new(PODS, job["metadata"]["namespace"], _pod_of(job, index), now)
        self._store.put(key_of(PODS, pod), pod)
        message = f"Created pod: {pod['metadata']['name']}"
        self._record(JOBS, job, "Normal", "SuccessfulCreate", message)

    def _summarise(self, job: Json, status: Json, now: datetime) -> None:
        pods = Pods.sort(self.pods(job))
        status["active"] = len(pods.active)
        status["terminating"] = len(pods.terminating)
        status["ready"] = sum(
            condition.find(pod["status"], "Ready") is not None for pod in pods.active
        )
        status["uncountedTerminatedPods"] = {}
        if not status["active"]:
            del status["active"]
        if pods.active or pods.terminating:
            return
        for aim, end in (("SuccessCriteriaMet", "Complete"), ("FailureTarget", "Failed")):
            if found := condition.find(status, aim):
                _aim(status, end, now, found["reason"], found["message"])
                self._finish(job, status, end, found, now)

    def _finish(self, job: Json, status: Json, end: str, found: Json, now: datetime) -> None:
        if end == "Complete":
            status["completionTime"] = moment.write(now)
            self._record(JOBS, job, "Normal", "Completed", "Job completed")
        else:
            self._record(JOBS, job, "Warning", found["reason"], found["message"])

    def _release(self, job: Json) -> None:
        for pod in self.pods(job):
            deletion.drop_finalizer(self._store, key_of(PODS, pod), TRACKING)

    def _expire(self, key: Key, job: Json) -> float | None:
        wait = job["spec"].get("ttlSecondsAfterFinished")
        if wait is None or job["metadata"].get("deletionTimestamp"):
            return None
        left = _ended_at(job["status"]) + timedelta(seconds=wait) - self._now()
        if left.total_seconds() > 0:
            return left.total_seconds()
        deletion.delete(self._store, key, Options(policy="Foreground"), self._now())
        return None


_REACHED = ("CompletionsReached", "Reached expected number of succeeded pods")
_TOO_MANY_FAILURES = ("BackoffLimitExceeded", "Job has reached the specified backoff limit")
_TOO_LONG = ("DeadlineExceeded", "Job was active longer than specified deadline")


def is_finished(status: Json) -> bool:
    return bool(condition.find(status, "Complete") or condition.find(status, "Failed"))


def _aim(status: Json, kind: str, now: datetime, reason: str, message: str) -> None:
    condition.place(status, kind, now, reason=reason, message=message)


def _ended_at(status: Json) -> datetime:
    ended = condition.find(status, "Complete") or condition.find(status, "Failed") or {}
    return moment.read(ended["lastTransitionTime"])


def _deadline(job: Json, status: Json) -> datetime | None:
    seconds = job["spec"].get("activeDeadlineSeconds")
    if seconds is None or "startTime" not in status:
        return None
    return moment.read(status["startTime"]) + timedelta(seconds=seconds)


def _back_off(status: Json, pods: Pods, now: datetime) -> float:
    failed = status.get("failed", 0)
    ends = [_pod_ended_at(pod) for pod in pods.ended if pod["status"]["phase"] == "Failed"]
    if not failed or not ends:
        return 0.0
    pause = min(10 * 2 ** (failed - 1), _LONGEST_BACK_OFF)
    return (max(ends) + timedelta(seconds=pause) - now).total_seconds()


def _pod_ended_at(pod: Json) -> datetime:
    states = [
        each["state"].get("terminated") for each in pod["status"].get("containerStatuses") or []
    ]
    ends = [moment.read(state["finishedAt"]) for state in states if state]
    return max(ends, default=moment.read(pod["metadata"]["creationTimestamp"]))


def _free_indexes(job: Json, status: Json, pods: Pods) -> list[int | None]:
    spec = job["spec"]
    if spec["completionMode"] != "Indexed":
        return [None] * spec["parallelism"]
    taken = {_index_of(pod) for pod in pods.active} | set(_completed(status))
    return [index for index in range(spec["completions"]) if index not in taken]


def _index_of(pod: Json) -> int | None:
    text = (pod["metadata"].get("annotations") or {}).get(_INDEX)
    return None if text is None else int(text)


def _completed(status: Json) -> list[int]:
    return [int(each) for each in (status.get("completedIndexes") or "").split(",") if each]


def _note_index(status: Json, pod: Json) -> None:
    index = _index_of(pod)
    if index is not None:
        done = sorted({*_completed(status), index})
        status["completedIndexes"] = ",".join(str(each) for each in done)


def _pod_of(job: Json, index: int | None) -> Json:
    template = job["spec"]["template"]
    metadata = job["metadata"]
    middle = "" if index is None else f"-{index}"
    owner = {
        "apiVersion": JOBS.api_version,
        "kind": JOBS.kind,
        "name": metadata["name"],
        "uid": metadata["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }
    given = template.get("metadata") or {}
    made: Json = {
        "name": f"{metadata['name']}{middle}-{random_suffix()}",
        "generateName": f"{metadata['name']}{middle}-",
        "labels": dict(given.get("labels") or {}),
        "annotations": dict(given.get("annotations") or {}),
        "ownerReferences": [owner],
        "finalizers": [TRACKING],
    }
    spec = copy.deepcopy(template["spec"])
    if index is not None:
        made["annotations"][_INDEX] = made["labels"][_INDEX] = str(index)
        for container in spec["containers"]:
            known = {"name": "JOB_COMPLETION_INDEX", "value": str(index)}
            container["env"] = [*(container.get("env") or []), known]
    return {"metadata": made, "spec": spec}
