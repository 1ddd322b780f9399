"""Asking for addresses; what a trainer says when it is done is in `common.jobs.told`."""

from typing import Annotated, Any

import msgspec

from common.jobs.told import ObjectName
from common.storage import grants


class Put(msgspec.Struct, rename="camel"):
    """An object that the trainer wants to write."""

    name: ObjectName
    size: Annotated[int, msgspec.Meta(ge=0, le=grants.LARGEST_OBJECT)]
    upload_id: Annotated[str, msgspec.Meta(min_length=1, max_length=1024)] | None = None
    sha256: str | None = None


class Addresses(msgspec.Struct, rename="camel"):
    """What the trainer wants to write and to read."""

    puts: Annotated[list[Put], msgspec.Meta(max_length=100)] = []
    gets: Annotated[list[ObjectName], msgspec.Meta(max_length=100)] = []


class Granted(msgspec.Struct, rename="camel"):
    """Presigned addresses, in the order of the questions."""

    prefix: str
    expires_in_seconds: int
    puts: list[dict[str, Any]]
    gets: list[dict[str, Any]]
