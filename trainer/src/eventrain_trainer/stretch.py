"""Points that lie together, as bytes: of these the garbage collector knows nothing, which would
count what waits to be heard, and walk through it while the training stands still."""

import json
import struct
from collections.abc import Iterable, Iterator

POINT_OVERHEAD = 200
# What the points weigh, and how long their names are, which follow.
HEAD = struct.Struct("=II")
# A name by its number, value, step, time.
RECORD = struct.Struct("=Hdqd")

Row = tuple[str, float, int, float]


class Stretch:
    """One that is being written."""

    __slots__ = ("_names", "_packed", "weight")

    def __init__(self, rows: Iterable[Row] = ()) -> None:
        self._names: dict[str, int] = {}
        self._packed = bytearray()
        self.weight = 0
        for row in rows:
            self.add(*row)

    def __len__(self) -> int:
        return len(self._packed) // RECORD.size

    def __bytes__(self) -> bytes:
        names = json.dumps(list(self._names)).encode()
        return HEAD.pack(self.weight, len(names)) + names + self._packed

    def add(self, name: str, value: float, step: int, time: float) -> None:
        number = self._names.setdefault(name, len(self._names))
        self._packed += RECORD.pack(number, value, step, time)
        self.weight += weight_of(name)


def weight_of(name: str) -> int:
    return POINT_OVERHEAD + len(name)


def weight(stretch: bytes) -> int:
    return HEAD.unpack_from(stretch)[0]


def count(stretch: bytes) -> int:
    return (len(stretch) - HEAD.size - HEAD.unpack_from(stretch)[1]) // RECORD.size


def rows(stretch: bytes) -> Iterator[Row]:
    """Raises ValueError, IndexError or struct.error for what is no stretch."""
    begin = HEAD.size + HEAD.unpack_from(stretch)[1]
    names = json.loads(stretch[HEAD.size : begin])
    for number, value, step, time in RECORD.iter_unpack(stretch[begin:]):
        yield names[number], value, step, time
