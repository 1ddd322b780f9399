"""What an attempt left behind, on its way to the place of the model."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any
from uuid import UUID

from common.catalogue.stored import Stored
from common.errors import Conflict
from common.storage import address
from common.storage.objects import Found, Objects

MODEL = "model/"


async def copy_model(
    objects: Objects,
    *,
    bucket: str,
    job_id: UUID,
    attempt: int,
    target: str,
    digests: Mapping[str, str | None],
) -> list[dict[str, Any]]:
    """Copies the attempt's artifacts, those below `model/` where there are any, to the target
    prefix, going on where an earlier copy stopped; the files that are there then. Raises Conflict
    where there is nothing to copy, or less than the trainer said."""
    source = f"{address.attempt_prefix(str(job_id), attempt)}artifacts/"
    found = [each async for each in objects.walk(source)]
    _check(found, digests, bucket)
    model = [each for each in found if each.key.startswith(source + MODEL)]
    root = source + MODEL if model else source
    return [
        await _copy(objects, each, root, target, digests.get(_uri(bucket, each.key)))
        for each in model or found
    ]


def _check(found: Sequence[Found], digests: Mapping[str, str | None], bucket: str) -> None:
    if not found:
        raise Conflict("The job left no artifacts behind; name a storageUri.")
    missing = sorted(set(digests) - {_uri(bucket, each.key) for each in found})
    if missing:
        raise Conflict(f"What the trainer named is not in S3: {', '.join(missing[:5])}")


async def _copy(
    objects: Objects, found: Found, root: str, target: str, sha256: str | None
) -> dict[str, Any]:
    name = found.key.removeprefix(root)
    await objects.copy(found.key, target + name)
    return asdict(Stored(name, found.size, sha256))


def _uri(bucket: str, key: str) -> str:
    return f"s3://{bucket}/{key}"
