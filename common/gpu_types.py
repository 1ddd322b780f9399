"""The kinds of GPU that each environment offers, as gpu-types.yaml says."""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from common import quantity

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
Count = Annotated[int, msgspec.Meta(ge=1)]


class PerGpu(msgspec.Struct, rename="camel", forbid_unknown_fields=True, frozen=True):
    """What one GPU brings along."""

    cpu: str
    memory: str
    shared_memory: str

    def __post_init__(self) -> None:
        for amount in (self.cpu, self.memory, self.shared_memory):
            quantity.parse(amount)


class GpuType(msgspec.Struct, rename="camel", forbid_unknown_fields=True, frozen=True):
    id: Name
    label: str
    enabled: bool
    priority: int
    resource_name: Name
    per_gpu: PerGpu
    max_per_job: Count
    node_selector: dict[str, str] = {}
    tolerations: list[dict[str, Any]] = []


GpuTypes = Mapping[str, tuple[GpuType, ...]]


def parse(content: bytes) -> GpuTypes:
    """Each environment's list, sorted by priority. Raises msgspec.MsgspecError or ValueError."""
    environments = msgspec.yaml.decode(content, type=dict[str, list[GpuType]])
    for name, offered in environments.items():
        if len({each.id for each in offered}) != len(offered):
            raise ValueError(f"{name} names a GPU type twice")
    return {
        name: tuple(sorted(offered, key=lambda each: (each.priority, each.id)))
        for name, offered in environments.items()
    }
