"""A job as it is asked for. Every field is the contract's; which are needed depends on the job."""

from __future__ import annotations

from typing import Any, Literal, TypedDict


class ResourceProfile(TypedDict, total=False):
    """With a GPU gpuCount and gpuType, without cpuCores and memory. maxDuration is in minutes."""

    gpuCount: int
    gpuType: str
    numNodes: int
    cpuCores: float
    memory: str
    maxDuration: int


class CodeSource(TypedDict, total=False):
    uri: str
    digest: str


class Trainer(TypedDict, total=False):
    framework: str
    image: str
    entrypoint: str
    args: list[str]
    source: CodeSource


class RetryPolicy(TypedDict, total=False):
    maxRetries: int
    backoffSeconds: int


class Notifications(TypedDict, total=False):
    onStart: list[str]
    onCompletion: list[str]


class StartFrom(TypedDict, total=False):
    """The newest checkpoint of this job, or the one of this id."""

    jobId: str
    id: str


class JobRequest(TypedDict, total=False):
    jobType: Literal["finetune", "from_scratch", "pretrain", "distributed"]
    resourceProfile: ResourceProfile
    useGpu: bool
    modelId: str
    datasetId: str
    projectId: str
    hyperparameters: dict[str, Any]
    retryPolicy: RetryPolicy
    notifications: Notifications
    outputModelName: str
    outputModelVersion: str
    autoRegisterOutputModel: bool
    trainJobSpec: dict[str, Any]
    trainer: Trainer
    name: str
    labels: dict[str, str]
    env: dict[str, str]
    secrets: dict[str, str]
    sharedMemory: str
    stallPolicy: Literal["mark", "restart", "fail"]
    checkpoint: StartFrom
