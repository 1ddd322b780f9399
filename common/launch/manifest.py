"""What an attempt is in Kubernetes: a Job, and the Secret that it owns. Pure.

The Job is fixed in the attempt's row before it is made, so that a repeated launch makes the same.
A training program may write anywhere in its own container; all else is locked.
"""

import base64
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec

from common import trace
from common.jobs.resolved import Checkpoint, Resolved
from common.launch.cluster import Json

MOUNT = "/var/run/eventrain"
WORKSPACE = "/workspace"
CACHE = "/var/cache/eventrain"
CONTAINER = "trainer"
NOBODY = 65532
CREDENTIAL = "token"
RESULT_PUT_URL = "result-put-url"
QUEUE = "kueue.x-k8s.io/queue-name"


@dataclass(frozen=True)
class Addresses:
    """Where a trainer finds us, and how often it beats."""

    base: str
    heartbeat: str
    event: str
    done: str
    tracking: str | None
    heartbeat_interval: timedelta


@dataclass(frozen=True)
class Trainee:
    """An attempt as its manifest needs it. `left` is the running time that the job still has, and
    `start_allowance` what its pod may need beside that, to pull images for one."""

    job_id: UUID
    project_id: UUID
    attempt: int
    trace_id: str
    traceparent: str
    dataset_id: UUID | None
    job_type: str
    request: Mapping[str, Any]
    resolved: Resolved
    model_name: str
    model_version: str
    checkpoint: Checkpoint | None
    left: timedelta
    start_allowance: timedelta


def name_of(job_id: UUID, attempt: int) -> str:
    """The name of the Job and of its Secret."""
    return f"train-{job_id}-{attempt}"


def labels_of(job_id: UUID, attempt: int, trace_id: str) -> dict[str, str]:
    """The labels of the Job, its pods and its Secret."""
    identity = {"app": "trainer", "job-id": str(job_id), "attempt": str(attempt)}
    return identity | {"trace-id": trace_id}


def job(
    trainee: Trainee, addresses: Addresses, namespace: str, *, queue: str | None = None
) -> Json:
    """The Job. It has no time to live: status-sync gives it one when the evidence is safe. With a
    queue it is suspended until Kueue admits it."""
    labels = labels_of(trainee.job_id, trainee.attempt, trainee.trace_id)
    name = name_of(trainee.job_id, trainee.attempt)
    queued = {QUEUE: queue} if queue else {}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": namespace, "labels": labels | queued},
        "spec": {
            **({"suspend": True} if queue else {}),
            "backoffLimit": 0,
            "completions": 1,
            "parallelism": 1,
            "template": {
                "metadata": {"labels": labels},
                "spec": _pod(trainee, addresses, name),
            },
        },
    }


def secret(job: Json, *, token: str, result_put_url: str) -> Json:
    """The Secret of a Job that exists, which dies with it."""
    metadata = job["metadata"]
    owner = {"apiVersion": "batch/v1", "kind": "Job"}
    owner |= {"name": metadata["name"], "uid": metadata["uid"]}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": {
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "labels": metadata["labels"],
            "ownerReferences": [owner],
        },
        "data": secret_data(token=token, result_put_url=result_put_url),
    }


def secret_data(*, token: str, result_put_url: str) -> dict[str, str]:
    """The Secret's content; what a fresh token replaces."""
    values = {CREDENTIAL: token, RESULT_PUT_URL: result_put_url}
    return {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}


def _pod(trainee: Trainee, addresses: Addresses, secret_name: str) -> Json:
    resolved, gpu = trainee.resolved, trainee.resolved["gpu"]
    spec: Json = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "activeDeadlineSeconds": _deadline(trainee),
        "terminationGracePeriodSeconds": resolved["terminationGraceSeconds"],
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": NOBODY,
            "runAsGroup": NOBODY,
            "fsGroup": NOBODY,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(trainee, addresses, secret_name)],
        "volumes": _volumes(resolved, secret_name),
    }
    if gpu is not None:
        spec["nodeSelector"] = gpu["nodeSelector"]
        spec["tolerations"] = gpu["tolerations"]
    return spec


def _deadline(trainee: Trainee) -> int:
    """The pod's clock runs from its binding to a node: what it needs to start is allowed for, and
    status-sync, which sees when training began, is the one that keeps the limit exactly."""
    return max(math.ceil((trainee.left + trainee.start_allowance).total_seconds()), 1)


def _container(trainee: Trainee, addresses: Addresses, secret_name: str) -> Json:
    resolved = trainee.resolved
    mounts: list[Json] = [
        {"name": "eventrain", "mountPath": MOUNT, "readOnly": True},
        {"name": "workspace", "mountPath": WORKSPACE},
    ]
    if resolved["sharedMemory"]:
        mounts.append({"name": "shared-memory", "mountPath": "/dev/shm"})
    if resolved.get("cache"):
        # A pod sees its own project's part and no other.
        part = {"subPath": str(trainee.project_id)}
        mounts.append({"name": "cache", "mountPath": CACHE, **part})
    return {
        "name": CONTAINER,
        "image": resolved["image"],
        "imagePullPolicy": "IfNotPresent",
        "command": resolved["command"],
        "env": _environment(trainee, addresses, secret_name),
        "resources": _resources(resolved),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        },
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": mounts,
    }


def _resources(resolved: Resolved) -> Json:
    amounts = {"cpu": resolved["cpu"], "memory": resolved["memory"]}
    if resolved["gpu"] is not None:
        amounts[resolved["gpu"]["resourceName"]] = str(resolved["gpu"]["count"])
    return {"requests": amounts, "limits": amounts}


def _volumes(resolved: Resolved, secret_name: str) -> list[Json]:
    volumes: list[Json] = [
        {"name": "eventrain", "secret": {"secretName": secret_name, "defaultMode": 0o440}},
        {"name": "workspace", "emptyDir": {}},
    ]
    if resolved["sharedMemory"]:
        memory = {"medium": "Memory", "sizeLimit": resolved["sharedMemory"]}
        volumes.append({"name": "shared-memory", "emptyDir": memory})
    if cache := resolved.get("cache"):
        volumes.append({"name": "cache", **cache["volume"]})
    return volumes


def _environment(trainee: Trainee, addresses: Addresses, secret_name: str) -> list[Json]:
    ours = _values(trainee, addresses)
    by_reference = {
        "CALLBACK_TOKEN": (secret_name, CREDENTIAL),
        "RESULT_PUT_URL": (secret_name, RESULT_PUT_URL),
    }
    request = trainee.request
    named = trainee.resolved["secrets"]
    theirs = {name: (secret["name"], secret["key"]) for name, secret in named.items()}
    references = theirs | by_reference
    values = (request.get("env") or {}) | ours
    return [
        *(
            {"name": name, "value": value}
            for name, value in values.items()
            if name not in references or name in ours
        ),
        *(
            {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}
            for name, (secret, key) in references.items()
            if name not in ours
        ),
    ]


def _values(trainee: Trainee, addresses: Addresses) -> dict[str, str]:
    resolved, parent = trainee.resolved, trace.accept(trainee.traceparent)
    values: dict[str, str | None] = {
        "JOB_ID": str(trainee.job_id),
        "ATTEMPT": str(trainee.attempt),
        "TRACE_ID": trainee.trace_id,
        "TRACEPARENT": str(parent.child()),
        **_callbacks(trainee.job_id, addresses),
        "STORAGE_TYPE": "s3",
        "DATASET_ID": str(trainee.dataset_id) if trainee.dataset_id else None,
        "DATASET_URI": resolved["datasetUri"],
        "MODEL_URI": resolved["modelUri"],
        "MODEL_NAME": trainee.model_name,
        "EPOCHS": _epochs(trainee.request),
        "TRAINER_FRAMEWORK": resolved["framework"],
        "TRAINER_CONFIG": _config(trainee),
        "CHECKPOINT_URI": trainee.checkpoint["uri"] if trainee.checkpoint else None,
        "HEARTBEAT_INTERVAL_SECONDS": f"{addresses.heartbeat_interval.total_seconds():g}",
        "MLFLOW_TRACKING_URI": addresses.tracking,
        "MLFLOW_EXPERIMENT_NAME": f"job-{trainee.job_id}",
        "TERMINATION_GRACE_SECONDS": str(resolved["terminationGraceSeconds"]),
        "WORK_DIR": WORKSPACE,
        "HOME": WORKSPACE,
        "PYTHONUNBUFFERED": "1",
        **_cache(resolved),
    }
    return {name: value for name, value in values.items() if value is not None}


def _cache(resolved: Resolved) -> dict[str, str]:
    cache = resolved.get("cache")
    return {"DATA_CACHE_DIR": CACHE, "DATA_CACHE_BYTES": str(cache["bytes"])} if cache else {}


def _callbacks(job_id: UUID, addresses: Addresses) -> dict[str, str]:
    path = f"/v1/jobs/{job_id}"
    return {
        "BACKEND_BASE_URL": addresses.base,
        "HEARTBEAT_URL": f"{addresses.heartbeat}{path}/heartbeat",
        "EVENT_URL": f"{addresses.event}{path}/event",
        "DONE_URL": f"{addresses.done}{path}/done",
        "ADDRESSES_URL": f"{addresses.done}{path}/addresses",
        "CALLBACK_TOKEN_FILE": f"{MOUNT}/{CREDENTIAL}",
    }


def _epochs(request: Mapping[str, Any]) -> str | None:
    given = request.get("hyperparameters") or {}
    spec = (request.get("trainJobSpec") or {}).get("hyperparams") or {}
    epochs = given.get("epochs", given.get("num_epochs", spec.get("num_epochs")))
    return None if epochs is None else str(epochs)


def _config(trainee: Trainee) -> str:
    request, trainer = trainee.request, trainee.request.get("trainer") or {}
    config = {
        "jobType": trainee.job_type,
        "framework": trainee.resolved["framework"],
        "hyperparameters": request.get("hyperparameters") or {},
        "output": {"modelName": trainee.model_name, "modelVersion": trainee.model_version},
        "checkpoint": trainee.checkpoint,
        "args": trainer.get("args") or [],
    }
    extra = {name: trainer[name] for name in ("entrypoint", "source") if trainer.get(name)}
    if request.get("trainJobSpec"):
        extra["trainJobSpec"] = request["trainJobSpec"]
    return msgspec.json.encode(config | extra).decode()
