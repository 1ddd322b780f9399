"""What a job may ask for, here and now: GPU types, trainers, and places in S3."""

from dataclasses import dataclass
from uuid import UUID

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
