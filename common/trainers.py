"""Which programs can train, and in which images, as trainers.yaml says."""

import re
from functools import lru_cache
from typing import Annotated, Any

import msgspec

from common import quantity

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class Images(msgspec.Struct, rename="camel", forbid_unknown_fields=True, frozen=True):
    """None: not offered on this kind of machine."""

    cpu: str | None = None
    gpu: str | None = None

    def on(self, *, use_gpu: bool) -> str | None:
        return self.gpu if use_gpu else self.cpu


class Framework(msgspec.Struct, rename="camel", forbid_unknown_fields=True, frozen=True):
    images: Images
    command: list[str]
    job_types: list[str]


class SpecImages(msgspec.Struct, rename="camel", forbid_unknown_fields=True, frozen=True):
    """The plug-in and the images of one job type of a trainJobSpec."""

    framework: Name
    cpu: str | None = None
    gpu: str | None = None

    def on(self, *, use_gpu: bool) -> str | None:
        return self.gpu if use_gpu else self.cpu


class TrainJobSpec(msgspec.Struct, rename="camel", forbid_unknown_fields=True, frozen=True):
    model_families: list[str] = []
    images: dict[str, SpecImages] = {}


class CpuLimits(msgspec.Struct, rename="camel", forbid_unknown_fields=True, frozen=True):
    cpu_cores: float
    memory: str

    def __post_init__(self) -> None:
        quantity.parse(self.memory)


class Cache(msgspec.Struct, rename="camel", forbid_unknown_fields=True, frozen=True):
    """Where jobs on a node share what they fetch: one of the three, and how much it may hold."""

    size: str
    host_path: str | None = None
    persistent_volume_claim: str | None = None
    empty_dir: bool = False

    def __post_init__(self) -> None:
        quantity.parse(self.size)
        if [self.host_path, self.persistent_volume_claim, self.empty_dir or None].count(None) != 2:
            raise ValueError("cache is one of hostPath, persistentVolumeClaim and emptyDir")
        if self.host_path is not None and not self.host_path.startswith("/"):
            raise ValueError("cache.hostPath is no absolute path")

    def volume(self) -> dict[str, Any]:
        """As a pod declares it."""
        if self.host_path is not None:
            return {"hostPath": {"path": self.host_path, "type": "Directory"}}
        if self.persistent_volume_claim is not None:
            return {"persistentVolumeClaim": {"claimName": self.persistent_volume_claim}}
        return {"emptyDir": {"sizeLimit": self.size}}


class Trainers(msgspec.Struct, rename="camel", forbid_unknown_fields=True, frozen=True):
    default_framework: Name
    frameworks: dict[str, Framework]
    allowed_images: list[str]
    cpu_limits: CpuLimits
    termination_grace_seconds: Annotated[int, msgspec.Meta(ge=0, le=86_400)] = 60
    train_job_spec: TrainJobSpec = TrainJobSpec()
    allowed_buckets: list[str] = []
    allow_private_webhooks: bool = False
    allow_http_webhooks: bool | None = None
    cache: Cache | None = None

    def allows_image(self, image: str) -> bool:
        """Whether a job may name this image itself."""
        return any(_pattern(each).fullmatch(image) for each in self.allowed_images)

    def command(self, framework: str) -> list[str]:
        """What an image of this framework runs; the default's where it is not listed itself."""
        known = self.frameworks.get(framework) or self.frameworks[self.default_framework]
        return list(known.command)


def parse(content: bytes) -> Trainers:
    """Raises msgspec.MsgspecError or ValueError."""
    trainers = msgspec.yaml.decode(content, type=Trainers)
    if trainers.default_framework not in trainers.frameworks:
        raise ValueError("defaultFramework is none of the frameworks")
    return trainers


@lru_cache(maxsize=100)
def _pattern(allowed: str) -> re.Pattern[str]:
    return re.compile(r"[^/\s]*".join(map(re.escape, allowed.split("*"))))
