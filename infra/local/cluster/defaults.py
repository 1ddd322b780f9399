"""What the API fills in when an object is created or changed."""

import base64
import copy
import secrets
import uuid
from datetime import datetime
from typing import cast

from infra.local.cluster import moment
from infra.local.cluster.resource import JOBS, PODS, SECRETS, Json, Resource

_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
_SERVER_OWNED = ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds")


def random_suffix() -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(5))


def fill_new(resource: Resource, namespace: str, body: Json, now: datetime) -> Json:
    body = _common(resource, body)
    given = {k: v for k, v in body["metadata"].items() if k not in _SERVER_OWNED and v is not None}
    if not given.get("name") and given.get("generateName"):
        given["name"] = given["generateName"] + random_suffix()
    body["metadata"] = given | {
        "namespace": namespace,
        "uid": str(uuid.uuid4()),
        "creationTimestamp": moment.write(now),
    }
    if resource in (JOBS, PODS):
        body["metadata"]["generation"] = 1
        body["status"] = {}
    if resource is PODS:
        body["status"] = {"phase": "Pending", "qosClass": "BestEffort"}
    if resource is JOBS:
        _select_own_pods(body)
    return body


def fill_update(resource: Resource, old: Json, body: Json) -> Json:
    """Keeps what a client may not change: identity, and the status."""
    body = _common(resource, body)
    kept = {name: old["metadata"][name] for name in _SERVER_OWNED if name in old["metadata"]}
    given = {k: v for k, v in body["metadata"].items() if k not in _SERVER_OWNED and v is not None}
    for name in ("name", "namespace"):
        given[name] = old["metadata"][name]
    body["metadata"] = given | kept
    if "status" in old:
        body["status"] = old["status"]
    if resource is JOBS:
        _keep_own_pods(old, body)
    if "generation" in old["metadata"]:
        changed = body.get("spec") != old.get("spec")
        body["metadata"]["generation"] = old["metadata"]["generation"] + changed
    return body


def _common(resource: Resource, body: Json) -> Json:
    body = copy.deepcopy(body)
    body.pop("kind", None)
    body.pop("apiVersion", None)
    body["metadata"] = dict(body.get("metadata") or {})
    if resource is SECRETS:
        _encode_strings(body)
    if resource is JOBS and isinstance(body.get("spec"), dict):
        _job(cast(Json, body["spec"]))
    if resource is PODS and isinstance(body.get("spec"), dict):
        _pod_spec(cast(Json, body["spec"]))
    return body


def _encode_strings(body: Json) -> None:
    body.setdefault("type", "Opaque")
    plain = cast(dict[str, str], body.pop("stringData", None) or {})
    if plain:
        coded = {k: base64.b64encode(v.encode()).decode() for k, v in plain.items()}
        body["data"] = (body.get("data") or {}) | coded


def _job(spec: Json) -> None:
    if spec.get("parallelism") is None and spec.get("completions") is None:
        spec["completions"] = 1
    for name, value in {
        "parallelism": 1,
        "backoffLimit": 6,
        "completionMode": "NonIndexed",
        "suspend": False,
        "manualSelector": False,
        "podReplacementPolicy": "TerminatingOrFailed",
    }.items():
        if spec.get(name) is None:
            spec[name] = value
    template = spec.get("template")
    if isinstance(template, dict) and isinstance(template.get("spec"), dict):
        _pod_spec(cast(Json, template["spec"]))


def _pod_spec(spec: Json) -> None:
    spec.setdefault("terminationGracePeriodSeconds", 30)
    spec.setdefault("dnsPolicy", "ClusterFirst")
    spec.setdefault("schedulerName", "default-scheduler")
    spec.setdefault("securityContext", {})
    for container in spec.get("containers") or []:
        container.setdefault("resources", {})
        container.setdefault("imagePullPolicy", "IfNotPresent")
        container.setdefault("terminationMessagePath", "/dev/termination-log")
        container.setdefault("terminationMessagePolicy", "File")
        _requests_from_limits(container["resources"])


def _requests_from_limits(resources: Json) -> None:
    limits = resources.get("limits") or {}
    if limits:
        resources["requests"] = limits | (resources.get("requests") or {})


def _select_own_pods(body: Json) -> None:
    spec = body.get("spec")
    if not isinstance(spec, dict) or not isinstance(spec.get("template"), dict):
        return
    uid, name = body["metadata"]["uid"], body["metadata"].get("name") or ""
    own = {
        "batch.kubernetes.io/controller-uid": uid,
        "batch.kubernetes.io/job-name": name,
        "controller-uid": uid,
        "job-name": name,
    }
    template = cast(Json, spec["template"])
    template["metadata"] = dict(template.get("metadata") or {})
    template["metadata"]["labels"] = (template["metadata"].get("labels") or {}) | own
    key = "batch.kubernetes.io/controller-uid"
    spec["selector"] = {"matchLabels": {key: uid}}
    if not body["metadata"].get("labels"):
        body["metadata"]["labels"] = dict(template["metadata"]["labels"])


def _keep_own_pods(old: Json, body: Json) -> None:
    spec = body.get("spec")
    if isinstance(spec, dict) and spec.get("selector") is None:
        spec["selector"] = old["spec"]["selector"]
