"""Lists what an environment offers: kinds of GPU, and frameworks."""

from common.errors import Unreadable
from common.frameworks import Frameworks, Manifest, Takes
from common.gpu_types import GpuTypes
from common.trainers import Framework, Trainers
from functions.gpu_types.schema import FrameworkList, FrameworkView, GpuTypeList

UNTOLD = Manifest("", "", Takes(), [], {}, {})


def gpu_types(environment: str, *, offered: GpuTypes) -> GpuTypeList:
    """Called by HTTP. Emits nothing. Raises Unreadable for an environment that is not known."""
    _demand_known(environment, offered)
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


def frameworks(
    environment: str, *, offered: GpuTypes, trainers: Trainers, manifests: Frameworks
) -> FrameworkList:
    """Called by HTTP. Emits nothing. The default framework comes first. Raises Unreadable for an
    environment that is not known."""
    _demand_known(environment, offered)
    has_gpus = any(each.enabled for each in offered[environment])
    default = trainers.default_framework
    names = sorted(trainers.frameworks, key=lambda name: (name != default, name))
    return {
        "frameworks": [
            _view(name, trainers.frameworks[name], manifests.get(name), has_gpus, name == default)
            for name in names
        ]
    }


def _view(
    name: str, framework: Framework, manifest: Manifest | None, has_gpus: bool, default: bool
) -> FrameworkView:
    told = manifest or UNTOLD
    return {
        "name": name,
        "title": told.title or name,
        "description": told.description,
        "isDefault": default,
        "jobTypes": framework.job_types,
        "cpu": framework.images.cpu is not None,
        "gpu": has_gpus and framework.images.gpu is not None,
        "usesGpu": told.takes.gpu,
        "datasetFormats": told.takes.dataset,
        "modelFormats": told.takes.model,
        "leaves": told.leaves,
        "aliases": told.aliases,
        "defaults": told.defaults,
        "parameters": told.parameters,
    }


def _demand_known(environment: str, offered: GpuTypes) -> None:
    if environment not in offered:
        raise Unreadable(f"env must be one of {', '.join(sorted(offered))}.")
