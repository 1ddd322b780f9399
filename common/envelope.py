"""The one shape of every body: {"status", "message", "data"}."""

import math
from collections.abc import Callable, Mapping
from typing import Any, cast

import msgspec


def success(data: object, message: str = "OK") -> bytes:
    """A body that says it worked."""
    return encode({"status": "success", "message": message, "data": data})


def failure(message: str, data: object = None) -> bytes:
    """A body that says what went wrong, in words a person can act on."""
    return encode({"status": "fail", "message": message, "data": data})


def encode(body: Mapping[str, object]) -> bytes:
    """JSON of whatever the data hold, as far as JSON can carry it."""
    try:
        return _encoder.encode(body)
    except (UnicodeEncodeError, OverflowError):
        return _encoder.encode(_printable(msgspec.to_builtins(body, enc_hook=_plain)))


def _plain(value: object) -> object:
    dump = cast("Callable[..., Any] | None", getattr(value, "model_dump", None))
    if dump is None:
        raise TypeError(f"{type(value).__name__} has no JSON form")
    return dump(mode="json", by_alias=True)


def _printable(value: Any) -> Any:
    """The same value as far as JSON can carry it: lone surrogates are replaced, and an integer of
    more than 64 bits is a float, as which it was written before Postgres spelt it out."""
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return float(value)
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        entries = cast("dict[Any, Any]", value)
        return {_printable(key): _printable(item) for key, item in entries.items()}
    if isinstance(value, list | tuple):
        return [_printable(item) for item in cast("list[Any]", value)]
    return value


def spell_number(value: float) -> float | str:
    """A metric as the contract spells it: a number, or the name of what is none."""
    if math.isfinite(value):
        return value
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


_encoder = msgspec.json.Encoder(enc_hook=_plain)
