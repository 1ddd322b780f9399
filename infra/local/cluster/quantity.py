"""Kubernetes quantities: `500m`, `2`, `16Gi`, `1e3`."""

import re
from decimal import Decimal

_SHAPE = re.compile(r"^([+-]?(?:\d+\.?\d*|\.\d+))(?:([eE][+-]?\d+)|([numkMGTPE]|[KMGTPE]i))?$")
_FACTORS = {
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "k": Decimal(10**3),
    **{unit: Decimal(1000 ** (power + 2)) for power, unit in enumerate("MGTPE")},
    **{f"{unit}i": Decimal(1024 ** (power + 1)) for power, unit in enumerate("KMGTPE")},
}


def read(text: object) -> Decimal:
    """Raises ValueError for what is no quantity."""
    shape = _SHAPE.match(str(text))
    if not shape:
        raise ValueError(f"{text!r} is no quantity")
    number, exponent, unit = shape.groups()
    return Decimal(number + (exponent or "")) * _FACTORS.get(unit or "", Decimal(1))
