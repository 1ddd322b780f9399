"""What is told of a GPU type."""

from typing_extensions import TypedDict


class GpuType(TypedDict):
    id: str
    label: str
    enabled: bool
    priority: int


class GpuTypeList(TypedDict):
    gpuTypes: list[GpuType]
