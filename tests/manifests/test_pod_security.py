"""What the Pod Security Standards call restricted: trainer pods must be, and all of ours are."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

import pytest

from common.jobs.resolved import Resolved
from common.launch import manifest
from common.launch.manifest import Addresses, Trainee
from tests.manifests.build import TIERS, needs_kubectl, overlay
from tests.manifests.objects import Manifest, base, name_of, of_kind, services

VOLUMES = {"name", "configMap", "emptyDir", "persistentVolumeClaim", "projected", "secret"}
ENFORCE = "pod-security.kubernetes.io/enforce"
ADDRESSES = Addresses("http://a", "http://a", "http://a", "http://a", None, timedelta(seconds=10))
CPU: dict[str, Any] = {
    "secrets": {},
    "framework": "sklearn",
    "image": "eventrain/trainer-sklearn:0.1.0",
    "command": ["python", "-m", "eventrain_trainer", "run"],
    "gpu": None,
    "cpu": "2",
    "memory": "4Gi",
    "sharedMemory": "1Gi",
    "terminationGraceSeconds": 60,
    "datasetUri": None,
    "modelUri": None,
    "checkpoint": None,
}
GPU = {"resourceName": "nvidia.com/gpu", "count": 1, "nodeSelector": {}, "tolerations": []}


def trainer(resolved: dict[str, Any]) -> Manifest:
    trainee = Trainee(
        job_id=UUID(int=1),
        project_id=UUID(int=2),
        attempt=1,
        trace_id="0" * 32,
        traceparent=f"00-{1:032x}-{1:016x}-01",
        dataset_id=None,
        job_type="from_scratch",
        request={},
        resolved=cast("Resolved", resolved),
        model_name=None,
        model_version=None,
        checkpoint=None,
        left=timedelta(hours=1),
        start_allowance=timedelta(minutes=15),
    )
    return manifest.job(trainee, ADDRESSES, "eventrain-trainers")


def breaches(pod: dict[str, Any]) -> Iterator[str]:
    """What the namespace would refuse the pod for."""
    yield from (key for key in ("hostNetwork", "hostPID", "hostIPC") if pod.get(key))
    for volume in pod.get("volumes", []):
        yield from set(volume) - VOLUMES
    for container in [*pod["containers"], *pod.get("initContainers", [])]:
        yield from _of_container(container, pod.get("securityContext", {}))


def _of_container(container: dict[str, Any], of_pod: dict[str, Any]) -> Iterator[str]:
    security = container.get("securityContext", {})
    either = of_pod | security
    if security.get("allowPrivilegeEscalation") is not False or security.get("privileged"):
        yield "privilege"
    if security.get("capabilities") != {"drop": ["ALL"]}:
        yield "capabilities"
    if either.get("runAsNonRoot") is not True or either.get("runAsUser") == 0:
        yield "root"
    if either.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        yield "seccomp"


def pods(objects: list[Manifest]) -> list[tuple[str, dict[str, Any]]]:
    return [(name_of(o), o["spec"]["template"]["spec"]) for o in objects]


def test_trainers_are_held_to_it_by_their_namespace() -> None:
    (namespace,) = (n for n in of_kind("Namespace") if name_of(n) == "eventrain-trainers")
    assert namespace["metadata"]["labels"][ENFORCE] == "restricted"


@pytest.mark.parametrize("resolved", [CPU, CPU | {"gpu": GPU}], ids=["cpu", "gpu"])
def test_a_trainer_pod_is_let_in(resolved: dict[str, Any]) -> None:
    pod = trainer(resolved)["spec"]["template"]["spec"]
    assert list(breaches(pod)) == []
    assert pod["automountServiceAccountToken"] is False


def test_functions_and_the_migration_would_be_let_in() -> None:
    for name, pod in pods([*services(), *of_kind("Job", "batch")]):
        assert list(breaches(pod)) == [], name


@needs_kubectl
@pytest.mark.parametrize("tier", TIERS)
def test_so_would_what_a_tier_adds(tier: str) -> None:
    for name, pod in pods([o for o in overlay(tier) if o["kind"] in {"Deployment", "Job"}]):
        assert list(breaches(pod)) == [], name


def test_a_breach_is_seen() -> None:
    (job,) = (o for o in base() if o["kind"] == "Job")
    pod = job["spec"]["template"]["spec"] | {"hostNetwork": True, "securityContext": {}}
    assert sorted(breaches(pod)) == ["hostNetwork", "root", "seccomp"]
