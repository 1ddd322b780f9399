"""Where in S3 an entry may say that its bytes lie, and where its uploads go."""

from collections.abc import Callable, Collection
from functools import cache
from pathlib import Path
from uuid import UUID

from common import trainers
from common.config_file import ConfigFile
from common.errors import Invalid, Violation
from common.storage import address
from common.storage.address import Address, BadAddress

LONGEST_FILE_NAME = 200


def project_prefix(project: UUID) -> str:
    """What belongs to a project and to none of its jobs, models or datasets."""
    return f"projects/{project}/"


def model_uploads(project: UUID, model: UUID) -> str:
    """What people upload to an entry; register-model alone writes below `models/`."""
    return f"{project_prefix(project)}models/{model}/"


def check_place(
    uri: str, *, field: str, bucket: str, allowed: list[str], buckets: Collection[str] = ()
) -> Address:
    """The address, where it lies in our bucket below one of the prefixes, or in one of the buckets
    that are allowed to everyone. Raises Invalid."""
    try:
        place = address.parse(uri)
    except BadAddress as wrong:
        raise Invalid([Violation(field, str(wrong))]) from None
    if place.bucket != bucket and place.bucket in buckets:
        return place
    if place.bucket != bucket or not place.key.startswith(tuple(allowed)):
        places = " or ".join(f"s3://{bucket}/{prefix}" for prefix in allowed)
        raise Invalid([Violation(field, f"must lie below {places}")])
    return place


def allowed_buckets(folder: Path) -> Callable[[], Collection[str]]:
    """The buckets that trainers.yaml allows now. It is read by the first request that names one."""

    @cache
    def file() -> ConfigFile[trainers.Trainers]:
        return ConfigFile(folder / "trainers.yaml", trainers.parse)

    return lambda: file().current().allowed_buckets


def check_file_name(name: str, *, field: str) -> str:
    """A file's name, which is one part of a key. Raises Invalid."""
    try:
        address.check_name(name)
    except BadAddress as wrong:
        raise Invalid([Violation(field, f"the file's name {wrong}")]) from None
    if "/" in name or len(name.encode()) > LONGEST_FILE_NAME:
        reason = f"the file's name must be at most {LONGEST_FILE_NAME} bytes, without slashes"
        raise Invalid([Violation(field, reason)])
    return name
