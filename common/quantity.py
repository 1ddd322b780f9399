"""Amounts as Kubernetes writes them: `500m`, `4`, `16Gi`."""

import re
from decimal import Decimal

LONGEST = 20


def parse(text: str) -> Decimal:
    """The plain number. Raises ValueError."""
    found = _QUANTITY.fullmatch(text) if len(text) <= LONGEST else None
    if found is None:
        raise ValueError("must be an amount like 500m, 4 or 16Gi")
    return Decimal(found[1]) * _FACTORS[found[2] or ""]


def times(text: str, count: int) -> str:
    """So many times the amount, in its own unit. Raises ValueError."""
    found = _QUANTITY.fullmatch(text)
    if found is None:
        raise ValueError("must be an amount like 500m, 4 or 16Gi")
    product = Decimal(found[1]) * count
    whole = product.to_integral_value()
    return f"{whole if whole == product else product.normalize():f}{found[2] or ''}"


_QUANTITY = re.compile(r"([0-9]+(?:\.[0-9]+)?)(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?", re.ASCII)
_FACTORS = {
    "": Decimal(1),
    "m": Decimal("0.001"),
    **{unit: Decimal(1000) ** power for power, unit in enumerate(("k", "M", "G", "T", "P"), 1)},
    **{
        unit: Decimal(1024) ** power for power, unit in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi"), 1)
    },
}
