"""Amounts of bytes as a person reads them."""

UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def spell_size(count: int) -> str:
    amount, unit = float(count), 0
    while amount >= 1024 and unit < len(UNITS) - 1:
        amount, unit = amount / 1024, unit + 1
    return f"{amount:.0f} B" if unit == 0 else f"{amount:.1f} {UNITS[unit]}"
