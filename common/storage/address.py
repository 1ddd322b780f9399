"""Names and keys in S3: who may write where, and what a name must look like.

No key is ever a prefix folder of another, for some stores cannot hold `a` and `a/b` together.
"""

import re
from dataclasses import dataclass
from datetime import date

LONGEST_KEY = 1024
LONGEST_NAME = 512
DEAD_LETTERS = "dead-letters/"


class BadAddress(ValueError):
    """The address is not one that we would make or follow."""


@dataclass(frozen=True, slots=True)
class Address:
    """An object, or all below a prefix where the key is empty or ends in a slash."""

    bucket: str
    key: str

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"

    @property
    def is_prefix(self) -> bool:
        return not self.key or self.key.endswith("/")


def parse(uri: str) -> Address:
    """Reads `s3://bucket/key`. Raises BadAddress for anything that could mean two things."""
    if not uri.startswith("s3://"):
        raise BadAddress("must begin with s3://")
    bucket, _, key = uri[5:].partition("/")
    if not _BUCKET.fullmatch(bucket) or ".." in bucket:
        raise BadAddress("names no valid bucket")
    if key:
        check_key(key.removesuffix("/"))
    return Address(bucket, key)


def check_key(key: str) -> str:
    """The key, if it is clean. Raises BadAddress."""
    if len(key.encode("utf-8", "replace")) > LONGEST_KEY:
        raise BadAddress(f"is longer than {LONGEST_KEY} bytes")
    if not key.isprintable() or "\\" in key:
        raise BadAddress("holds characters that a key may not have")
    if any(part in ("", ".", "..") for part in key.split("/")):
        raise BadAddress("has an empty part, or one that is only dots")
    return key


def check_name(name: str) -> str:
    """A name relative to an attempt's prefix, if it is clean. Raises BadAddress."""
    if len(name) > LONGEST_NAME:
        raise BadAddress(f"is longer than {LONGEST_NAME} characters")
    return check_key(name)


def within(prefix: str, key: str) -> bool:
    """Whether the key lies below the prefix, which counts as a folder."""
    return key.startswith(prefix if prefix.endswith("/") else f"{prefix}/")


def sanitise(name: str) -> str:
    """The name as a part of an address: lower case, hyphens between what is left."""
    return _OTHER.sub("-", name.lower()).strip("-.")[:128].rstrip("-.") or "unnamed"


def model_prefix(name: str, version: str) -> str:
    return f"models/{sanitise(name)}/{sanitise(version)}/"


def model_uri(bucket: str, name: str, version: str) -> str:
    """Where a model lives when nobody said otherwise."""
    return str(Address(bucket, model_prefix(name, version)))


def attempt_prefix(job_id: str, attempt: int) -> str:
    """All that one attempt may write, and no other."""
    return f"jobs/{job_id}/{attempt}/"


def artifact_key(job_id: str, attempt: int, name: str) -> str:
    return f"{attempt_prefix(job_id, attempt)}artifacts/{check_name(name)}"


def checkpoint_key(job_id: str, attempt: int, name: str) -> str:
    return f"{checkpoints_prefix(job_id, attempt)}{check_name(name)}"


def checkpoints_prefix(job_id: str, attempt: int) -> str:
    return f"{attempt_prefix(job_id, attempt)}checkpoints/"


def result_key(job_id: str, attempt: int) -> str:
    """The one object that an attempt may write long after its token is gone."""
    return f"{attempt_prefix(job_id, attempt)}result.json"


def pod_log_key(job_id: str, attempt: int) -> str:
    return f"{attempt_prefix(job_id, attempt)}pod.log"


def dataset_prefix(dataset_id: str) -> str:
    return f"datasets/{dataset_id}/"


def source_key(project_id: str, sha256: str) -> str:
    """Where a project's code lies by what it is: what is there is never written again."""
    return f"projects/{project_id}/sources/{sha256}.tar.gz"


def incoming_sources_prefix(project_id: str) -> str:
    """Where code arrives, before it is known to be what it was said to be."""
    return f"projects/{project_id}/sources/incoming/"


def dead_letter_key(day: date, event_id: str) -> str:
    return f"{DEAD_LETTERS}{day.isoformat()}/{sanitise(event_id)}.json"


_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_OTHER = re.compile(r"[^a-z0-9.]+")
