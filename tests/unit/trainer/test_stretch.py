import math
import struct

import pytest
from eventrain_trainer.stretch import POINT_OVERHEAD, Row, Stretch, count, rows, weight

ROWS: list[Row] = [
    ("loss", 0.25, 1, 1.5),
    ('näme, "quoted"\nand broken', -1e308, 2**63 - 1, 1e9),
    ("loss", math.inf, 0, 0.0),
]


class TestStretch:
    def test_gives_back_what_was_added(self) -> None:
        assert list(rows(bytes(Stretch(ROWS)))) == ROWS

    def test_keeps_what_is_no_number(self) -> None:
        ((_, value, _, _),) = rows(bytes(Stretch([("loss", math.nan, 1, 0.0)])))
        assert math.isnan(value)

    def test_knows_how_many_it_has_and_what_they_weigh(self) -> None:
        stretch = bytes(Stretch(ROWS))
        assert (len(Stretch(ROWS)), count(stretch)) == (3, 3)
        assert weight(stretch) == Stretch(ROWS).weight
        assert weight(stretch) == sum(POINT_OVERHEAD + len(row[0]) for row in ROWS)

    def test_may_be_empty(self) -> None:
        assert list(rows(bytes(Stretch()))) == []

    @pytest.mark.parametrize(
        "broken",
        [
            b"",
            b"short",
            bytes(Stretch(ROWS))[:-1],
            b"\0" * 8 + b"[]",
            bytes(Stretch(ROWS)).replace(b'"loss"', b"{loss}"),
            bytes(Stretch([("a", 0, 0, 0)])).replace(b'["a"]', b"[   ]"),
        ],
    )
    def test_refuses_what_is_none(self, broken: bytes) -> None:
        with pytest.raises((ValueError, IndexError, struct.error)):
            list(rows(broken))
