"""A file that lies in S3, as its entry lists it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Stored:
    """The digest is None where the bytes did not pass through us."""

    name: str
    size: int
    sha256: str | None


def with_file(files: Sequence[Any], file: Stored) -> list[Any]:
    """The list with this file in it, in the order of names; one of the same name is replaced."""
    others = [each for each in files if each["name"] != file.name]
    return sorted([*others, asdict(file)], key=lambda each: each["name"])
