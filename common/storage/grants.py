"""The addresses that an attempt may put to and get from: its own prefix, its dataset, its model,
its checkpoints, its source. Signed when asked for, for at most an hour, without a call to S3.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from common.errors import Invalid, Violation
from common.settings import Storage
from common.storage import address
from common.storage.address import Address, BadAddress
from common.storage.presign import presign

LIFETIME = timedelta(hours=1)
LARGEST_SINGLE = 64 * 1024 * 1024
SMALLEST_PART = 16 * 1024 * 1024
MOST_PARTS = 1_000
LARGEST_OBJECT = 5 * 1024**4


@dataclass(frozen=True)
class Put:
    """What a trainer wants to write; with an upload id once S3 has begun an upload in parts."""

    name: str
    size: int
    upload_id: str | None = None


@dataclass(frozen=True)
class Grants:
    """What one attempt may read beside what it wrote itself; a prefix ends in a slash. Digest and
    size of what is `known`; `scope`, within which what is fetched may be shared."""

    job_id: UUID
    attempt: int
    readable: Collection[str]
    known: Mapping[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])
    scope: str = ""

    @property
    def prefix(self) -> str:
        return address.attempt_prefix(str(self.job_id), self.attempt)


def put_address(grants: Grants, put: Put, field: str, *, storage: Storage, now: datetime) -> Any:
    """The address for one object, or those for its parts. Raises Invalid."""
    try:
        key = grants.prefix + address.check_name(put.name)
        address.check_key(key)
    except BadAddress as wrong:
        raise Invalid([Violation(f"{field}.name", str(wrong))]) from None
    if not put.name.startswith(("artifacts/", "checkpoints/")):
        raise Invalid([Violation(f"{field}.name", "must begin with artifacts/ or checkpoints/")])
    found = {"name": put.name, "uri": str(Address(storage.bucket, key))}
    if put.upload_id is not None:
        return found | _parts(storage, key, put.size, put.upload_id, now)
    if put.size > LARGEST_SINGLE:
        create = presign(storage, "POST", key, now, LIFETIME, query={"uploads": ""})
        return found | {"createUrl": create}
    return found | {"url": presign(storage, "PUT", key, now, LIFETIME)}


def get_address(grants: Grants, wanted: str, field: str, *, storage: Storage, now: datetime) -> Any:
    """The address of one object, or of a prefix's listing. Raises Invalid for what the attempt
    has no right to read."""
    uri = wanted if "://" in wanted else f"s3://{storage.bucket}/{grants.prefix}{wanted}"
    try:
        place = address.parse(uri)
    except BadAddress as wrong:
        raise Invalid([Violation(field, str(wrong))]) from None
    if not _may_read(grants, place, storage.bucket):
        raise Invalid([Violation(field, "is not this attempt's to read")])
    if not place.is_prefix:
        url = presign(storage, "GET", place.key, now, LIFETIME, bucket=place.bucket)
        return {"uri": str(place), "url": url, **grants.known.get(str(place), {})} | _scope(grants)
    query = {"list-type": "2", "prefix": place.key}
    url = presign(storage, "GET", "", now, LIFETIME, bucket=place.bucket, query=query)
    return {"uri": str(place), "listUrl": url}


def _scope(grants: Grants) -> dict[str, str]:
    return {"scope": grants.scope} if grants.scope else {}


def _may_read(grants: Grants, place: Address, bucket: str) -> bool:
    if place.bucket == bucket and place.key.startswith(grants.prefix):
        return True
    return any(
        str(place) == uri or (uri.endswith("/") and str(place).startswith(uri))
        for uri in grants.readable
    )


def _parts(
    storage: Storage, key: str, size: int, upload_id: str, now: datetime
) -> dict[str, object]:
    part_size = max(SMALLEST_PART, -(-size // MOST_PARTS))
    upload = {"uploadId": upload_id}

    def part(number: int) -> dict[str, object]:
        query = upload | {"partNumber": str(number)}
        return {
            "partNumber": number,
            "url": presign(storage, "PUT", key, now, LIFETIME, query=query),
        }

    return {
        "partSize": part_size,
        "parts": [part(number) for number in range(1, -(-size // part_size) + 1)],
        "completeUrl": presign(storage, "POST", key, now, LIFETIME, query=upload),
        "abortUrl": presign(storage, "DELETE", key, now, LIFETIME, query=upload),
    }
