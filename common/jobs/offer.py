"""What a job may ask for, here and now: GPU types, trainers, and places in S3."""

from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from common import frameworks, gpu_types, trainers
from common.config_file import ConfigFile
from common.frameworks import Frameworks
from common.gpu_types import GpuType
from common.storage import address
from common.trainers import Trainers


@dataclass(frozen=True)
class Offer:
    """What can be asked for, here and now."""

    environment: str
    gpu_types: tuple[GpuType, ...]
    trainers: Trainers
    bucket: str
    frameworks: Frameworks = field(default_factory=lambda: Frameworks({}))

    def gpu_type(self, name: str | None) -> GpuType | None:
        """The type of this name, where it may be used."""
        return next((each for each in self.gpu_types if each.id == name and each.enabled), None)

    def place_problem(self, uri: str, project: UUID | None, dataset: UUID | None) -> str | None:
        """Why a request may not name this S3 address, if so: it lies in the project's prefix, in
        the dataset that the request names, or in a bucket that is allowed to everyone."""
        try:
            place = address.parse(uri)
        except address.BadAddress as wrong:
            return str(wrong)
        if place.bucket != self.bucket:
            known = place.bucket in self.trainers.allowed_buckets
            return None if known else "names a bucket that is not allowed"
        prefix = f"projects/{project}/"
        allowed = [prefix] if dataset is None else [prefix, address.dataset_prefix(str(dataset))]
        if any(place.key.startswith(each) for each in allowed):
            return None
        return f"must lie below s3://{self.bucket}/{prefix}"


class OfferFiles:
    """The offer as the configuration's files say it now. Opening them raises what a broken file
    raises; later, a broken one leaves the one before in force."""

    def __init__(self, folder: Path, environment: str, bucket: str) -> None:
        self._environment = environment
        self._bucket = bucket
        self._gpu_types = ConfigFile(folder / "gpu-types.yaml", gpu_types.parse)
        self._trainers = ConfigFile(folder / "trainers.yaml", trainers.parse)
        self._frameworks = ConfigFile(folder / "frameworks.json", frameworks.parse)

    def current(self) -> Offer:
        return Offer(
            self._environment,
            self._gpu_types.current().get(self._environment, ()),
            self._trainers.current(),
            self._bucket,
            self._frameworks.current(),
        )
