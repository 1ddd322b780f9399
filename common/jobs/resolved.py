"""What a submission fixed about how its job runs, kept in `request["resolved"]`.

A later change of configuration alters no job that was accepted: launch-job reads this and
nothing else to choose image, command and resources.
"""

from collections.abc import Mapping
from typing import Any, NotRequired, TypedDict, cast


class Gpu(TypedDict):
    """The GPUs of one pod."""

    type: str
    resourceName: str
    count: int
    nodeSelector: dict[str, str]
    tolerations: list[dict[str, Any]]


class Checkpoint(TypedDict):
    """Where training starts from; as the trainer finds it in TRAINER_CONFIG. The attempt where it
    is of this job."""

    uri: str
    sha256: str
    size: int
    step: int | None
    epoch: int | None
    attempt: NotRequired[int]


class Cache(TypedDict):
    """The volume in which jobs of a project share what they fetch, as a pod declares it."""

    volume: dict[str, Any]
    bytes: int


class SecretKey(TypedDict):
    """A key of a Secret in the trainers' namespace. The name belongs to the project, so that no
    job can name what is another's or the platform's."""

    name: str
    key: str


class Resolved(TypedDict):
    """Quantities are Kubernetes': `cpu` "4", `memory` "16Gi", of the whole pod. `command` is the
    image's whole command line, to which `trainer.args` are handed through TRAINER_CONFIG."""

    framework: str
    image: str
    command: list[str]
    gpu: Gpu | None
    cpu: str
    memory: str
    sharedMemory: str | None
    terminationGraceSeconds: int
    datasetUri: str | None
    modelUri: str | None
    checkpoint: Checkpoint | None
    secrets: dict[str, SecretKey]
    cache: NotRequired[Cache | None]


def resolved(request: Mapping[str, Any]) -> Resolved:
    """The resolved part of a stored request."""
    return cast("Resolved", request["resolved"])


def secret_name(project_id: object, name: str) -> str:
    """How a project's Secret is called in the trainers' namespace."""
    return f"project-{project_id}.{name}"
