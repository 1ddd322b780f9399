"""Amounts as Kubernetes writes them."""

from decimal import Decimal

import pytest

from common import quantity


class TestQuantity:
    @pytest.mark.parametrize(
        ("text", "number"),
        [("4", "4"), ("500m", "0.5"), ("1.5", "1.5"), ("2k", "2000"), ("1Gi", "1073741824")],
    )
    def test_is_read_as_a_number(self, text: str, number: str) -> None:
        assert quantity.parse(text) == Decimal(number)

    @pytest.mark.parametrize("text", ["", "Gi", "-1", "1 Gi", "1GiB", "1e3", "٣Gi", "9" * 21])
    def test_refuses_what_kubernetes_would_not_take(self, text: str) -> None:
        with pytest.raises(ValueError, match="amount"):
            quantity.parse(text)

    @pytest.mark.parametrize(
        ("text", "count", "product"),
        [("16Gi", 3, "48Gi"), ("4", 10, "40"), ("500m", 2, "1000m"), ("0.5", 3, "1.5")],
    )
    def test_is_multiplied_in_its_own_unit(self, text: str, count: int, product: str) -> None:
        assert quantity.times(text, count) == product
