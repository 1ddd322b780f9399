"""Lists the GPU types of an environment."""

from common.errors import Unreadable
from common.gpu_types import GpuTypes
from functions.gpu_types.schema import GpuTypeList


def gpu_types(environment: str, *, offered: GpuTypes) -> GpuTypeList:
    """Called by HTTP. Emits nothing. Raises Unreadable for an environment that is not known."""
    if environment not in offered:
        raise Unreadable(f"env must be one of {', '.join(sorted(offered))}.")
    return {
        "gpuTypes": [
            {
                "id": each.id,
                "label": each.label,
                "enabled": each.enabled,
                "priority": each.priority,
            }
            for each in offered[environment]
        ]
    }
