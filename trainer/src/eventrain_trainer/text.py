"""Text and values that JSON and Postgres both take."""

from collections.abc import Mapping
from typing import Any

from eventrain_trainer.metric import LARGEST_COUNT, on_wire


def clean(text: str, limit: int = 8192) -> str:
    """Without NUL and lone surrogates, cut to the limit."""
    if len(text) > limit:
        text = text[: limit - 1] + "…"
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def plain(value: Any) -> Any:
    """JSON's own types, or what stands for anything else."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if abs(value) <= LARGEST_COUNT else clean(str(value))
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, Mapping):
        items: Mapping[Any, Any] = value
        return {clean(str(name), 200): plain(item) for name, item in items.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    try:
        return on_wire(float(value))
    except (TypeError, ValueError):
        return clean(str(value))
