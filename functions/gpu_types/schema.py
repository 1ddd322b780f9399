"""What is told of a GPU type, and of a framework."""

from typing import Any

from typing_extensions import TypedDict


class GpuType(TypedDict):
    id: str
    label: str
    enabled: bool
    priority: int


class GpuTypeList(TypedDict):
    gpuTypes: list[GpuType]


class FrameworkView(TypedDict):
    """`cpu` and `gpu`: on which machines it is offered; `usesGpu`: whether it makes use of one.
    `parameters` is the JSON schema of its hyperparameters, `aliases` are other names for them."""

    name: str
    title: str
    description: str
    isDefault: bool
    jobTypes: list[str]
    cpu: bool
    gpu: bool
    usesGpu: bool
    datasetFormats: list[str]
    modelFormats: list[str]
    leaves: list[str]
    aliases: dict[str, str]
    defaults: dict[str, Any]
    parameters: dict[str, Any]


class FrameworkList(TypedDict):
    frameworks: list[FrameworkView]
