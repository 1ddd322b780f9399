"""What an attempt left behind, on its way to the place of the model."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from common.catalogue.stored import Stored
from common.errors import Conflict
from common.storage import address
from common.storage.objects import Found, Objects

MODEL = "model/"


@dataclass(frozen=True, slots=True)
class Left:
    """Files below one prefix, and their digests as far as somebody told them."""

    root: str
    files: Sequence[Found]
    digests: Mapping[str, str]


async def find_model(
    objects: Objects,
    *,
    bucket: str,
    job_id: UUID,
    attempt: int,
    told: Mapping[str, str | None],
    model_uri: str | None = None,
) -> Left:
    """The attempt's artifacts: those of the folder that was told as its model, else those below
    `model/`, where there are any. Raises Conflict where there are none, or fewer than the trainer
    said."""
    source = f"{address.attempt_prefix(str(job_id), attempt)}artifacts/"
    found = [each async for each in objects.walk(source)]
    own = f"s3://{bucket}/"
    _check(found, [uri.removeprefix(own) for uri in told])
    root = model_uri.removeprefix(own) if model_uri else source + MODEL
    model = [each for each in found if each.key.startswith(root)]
    digests = {uri.removeprefix(own): sha256 for uri, sha256 in told.items() if sha256}
    return Left(root if model else source, model or found, digests)


async def copy_model(objects: Objects, left: Left, target: str) -> list[dict[str, Any]]:
    """Copies the files to the target prefix, going on where an earlier copy stopped; what is there
    then, each with its digest."""
    for each in left.files:
        await objects.copy(each.key, target + each.key.removeprefix(left.root))
    return await list_files(objects, left)


async def list_files(objects: Objects, left: Left) -> list[dict[str, Any]]:
    """The files by name, each with its digest; read where nobody told it."""
    listed: list[dict[str, Any]] = []
    for each in left.files:
        sha256 = left.digests.get(each.key) or await objects.sha256(each.key)
        listed.append(asdict(Stored(each.key.removeprefix(left.root), each.size, sha256)))
    return listed


def _check(found: Sequence[Found], told: Sequence[str]) -> None:
    if not found:
        raise Conflict("The job left no artifacts behind; name a storageUri.")
    missing = sorted(set(told) - {each.key for each in found})
    if missing:
        raise Conflict(f"What the trainer named is not in S3: {', '.join(missing[:5])}")
