"""Jobs and pods as long as a real API server sends them: who manages each field, every condition,
address and default. The local server leaves out what nobody here reads."""

from datetime import UTC, datetime, timedelta
from typing import Any, cast

Json = dict[str, Any]

NODE = "gpu-a100-pool-7c9f5d6b4-x2x9k"
CLUSTER_OWNED = ("managedFields", "uid", "resourceVersion", "creationTimestamp", "generation")
TOLERATED = ("not-ready", "unreachable")
CONDITIONS = (
    "PodReadyToStartContainers",
    "Initialized",
    "Ready",
    "ContainersReady",
    "PodScheduled",
)
IMAGE = "registry.example.com/eventrain/trainer-sklearn"
DIGEST = "8f1d7c1f4a6f2d7f3c8f0d9b6a5e4c3b2a19087f6e5d4c3b2a1908f7e6d5c4b3"


def full_job(job: Json) -> Json:
    """A Job whose pod runs."""
    at = stamp()
    status = {
        "active": 1,
        "ready": 1,
        "startTime": at,
        "terminating": 0,
        "uncountedTerminatedPods": {},
    }
    spec = {**job["spec"], "completionMode": "NonIndexed", "manualSelector": False}
    whole = {**job, "spec": spec, "status": status}
    managers = {"python-httpx": ("metadata", "spec"), "kube-controller-manager": ("status",)}
    return _managed(whole, managers, at)


def full_pod(pod: Json) -> Json:
    """A pod that runs."""
    # On the local node its kubelet would look after them.
    spec = {
        **pod["spec"],
        "nodeName": NODE,
        "priority": 0,
        "preemptionPolicy": "PreemptLowerPriority",
        "serviceAccount": "default",
        "serviceAccountName": "default",
        "tolerations": [
            {
                "key": f"node.kubernetes.io/{each}",
                "operator": "Exists",
                "effect": "NoExecute",
                "tolerationSeconds": 300,
            }
            for each in TOLERATED
        ],
    }
    whole = {
        **pod,
        "spec": spec,
        "status": pod_status("Running", {"running": {"startedAt": stamp()}}),
    }
    managers = {"kube-controller-manager": ("metadata", "spec"), "kubelet": ("status",)}
    return _managed(whole, managers, stamp())


def pod_status(phase: str, state: Json) -> Json:
    """All that a kubelet says of a pod whose one container is in this state."""
    at, ready = stamp(), "running" in state
    true = {"PodScheduled", *(CONDITIONS if ready else ())}
    conditions = [
        {
            "type": each,
            "status": "True" if each in true else "False",
            "observedGeneration": 1,
            "lastProbeTime": None,
            "lastTransitionTime": at,
        }
        for each in CONDITIONS
    ]
    return {
        "phase": phase,
        "observedGeneration": 1,
        "conditions": conditions,
        "hostIP": "10.128.15.203",
        "hostIPs": [{"ip": "10.128.15.203"}],
        "podIP": "10.44.3.127",
        "podIPs": [{"ip": "10.44.3.127"}],
        "startTime": at,
        "qosClass": "Guaranteed",
        "containerStatuses": [_container(state, ready=ready)] if state else [],
    }


def stamp(ago: timedelta = timedelta()) -> str:
    return (datetime.now(UTC) - ago).strftime("%Y-%m-%dT%H:%M:%SZ")


def _container(state: Json, *, ready: bool) -> Json:
    return {
        "name": "trainer",
        "state": state,
        "lastState": {},
        "ready": ready,
        "restartCount": 0,
        "image": f"{IMAGE}:0.1.0",
        "imageID": f"{IMAGE}@sha256:{DIGEST}",
        "containerID": f"containerd://{DIGEST[::-1]}",
        "started": ready,
        "allocatedResources": {"cpu": "4", "memory": "16Gi"},
        "resources": {
            "limits": {"cpu": "4", "memory": "16Gi"},
            "requests": {"cpu": "4", "memory": "16Gi"},
        },
        "volumeMounts": [
            {"name": "workspace", "mountPath": "/workspace"},
            {
                "name": "eventrain",
                "mountPath": "/var/run/eventrain",
                "readOnly": True,
                "recursiveReadOnly": "Disabled",
            },
        ],
        "user": {"linux": {"uid": 65532, "gid": 65532, "supplementalGroups": [65532]}},
    }


def _managed(whole: Json, managers: dict[str, tuple[str, ...]], at: str) -> Json:
    metadata = {**whole["metadata"]}
    shown = {k: v for k, v in metadata.items() if k not in CLUSTER_OWNED}
    metadata["managedFields"] = [
        {
            "manager": manager,
            "operation": "Update",
            "apiVersion": "v1",
            "time": at,
            "fieldsType": "FieldsV1",
            "fieldsV1": _fields({**whole, "metadata": shown}, parts),
        }
        | ({"subresource": "status"} if parts == ("status",) else {})
        for manager, parts in managers.items()
    ]
    return {**whole, "metadata": metadata}


def _fields(whole: Json, parts: tuple[str, ...]) -> Json:
    return {f"f:{part}": _owned(whole[part]) for part in parts}


def _owned(value: Any) -> Json:
    """The tree of a value's field names, as server-side apply keeps it."""
    if isinstance(value, dict):
        return {f"f:{name}": _owned(part) for name, part in cast("Json", value).items()}
    if not isinstance(value, list):
        return {}
    tree: Json = {}
    for each in cast("list[Any]", value):
        name = each.get("name") or each.get("type") if isinstance(each, dict) else None
        if name:
            tree[f'k:{{"name":"{name}"}}'] = {".": {}} | _owned(each)
    return tree
