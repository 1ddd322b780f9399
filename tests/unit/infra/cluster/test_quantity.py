from decimal import Decimal

import pytest

from infra.local.cluster import quantity


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("2", "2"),
        ("500m", "0.5"),
        ("1.5", "1.5"),
        ("1k", "1000"),
        ("1M", "1000000"),
        ("1Ki", "1024"),
        ("16Gi", str(16 * 2**30)),
        ("1e3", "1000"),
        (4, "4"),
    ],
)
def test_a_quantity_is_read(text: object, amount: str) -> None:
    assert quantity.read(text) == Decimal(amount)


@pytest.mark.parametrize("text", ["", "many", "1 Gi", "1GiB", "NaN", None])
def test_anything_else_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="no quantity"):
        quantity.read(text)
