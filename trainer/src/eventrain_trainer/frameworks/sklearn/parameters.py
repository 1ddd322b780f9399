"""The hyperparameters of this trainer: checked together, each violation named."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

ALIASES = {"lr": "learning_rate", "num_epochs": "epochs"}
ARCHITECTURES = ("mlp", "linear")


@dataclass(frozen=True, slots=True)
class Parameters:
    epochs: int = 12
    learning_rate: float = 0.002
    batch_size: int = 64
    architecture: str = "mlp"
    hidden_layers: tuple[int, ...] = (64,)
    seed: int = 0
    label: str = ""
    checkpoint_every: int = 3
    epoch_seconds: float = 0.0
    validation_share: float = 0.2

    @classmethod
    def from_mapping(cls, given: Mapping[str, Any], epochs: int | None = None) -> "Parameters":
        """Names that this trainer does not know are left to others. Raises ValueError."""
        named: dict[str, Any] = {"epochs": epochs} if epochs else {}
        for name, value in given.items():
            known = ALIASES.get(name, name)
            if known in RULES and (name not in ALIASES or known not in given):
                named[known] = value
        wrong: list[str] = []
        taken: dict[str, Any] = {}
        for name, value in named.items():
            try:
                taken[name] = RULES[name](value)
            except (TypeError, ValueError) as error:
                wrong.append(f"{name}: {error}")
        if wrong:
            raise ValueError("hyperparameters: " + "; ".join(wrong))
        return cls(**taken)


def _whole(least: int, most: int) -> Callable[[Any], int]:
    def check(value: Any) -> int:
        if isinstance(value, bool) or int(value) != float(value) or not least <= value <= most:
            raise ValueError(f"must be a whole number from {least} to {most}, not {value!r}")
        return int(value)

    return check


def _real(above: float, most: float) -> Callable[[Any], float]:
    def check(value: Any) -> float:
        if isinstance(value, bool) or not above < float(value) <= most:
            raise ValueError(f"must be a number above {above} and up to {most}, not {value!r}")
        return float(value)

    return check


def _architecture(value: Any) -> str:
    if isinstance(value, Mapping):
        given: Mapping[str, Any] = value
        value = given.get("type")
    if value not in ARCHITECTURES:
        raise ValueError(f"must be one of {', '.join(ARCHITECTURES)}, not {value!r}")
    return str(value)


def _layers(value: Any) -> tuple[int, ...]:
    sizes = value if isinstance(value, list | tuple) else [value]
    return tuple(_whole(1, 4096)(size) for size in sizes)


def _seconds(value: Any) -> float:
    return 0.0 if value == 0 else _real(0, 3600)(value)


RULES: dict[str, Callable[[Any], Any]] = {
    "epochs": _whole(1, 100_000),
    "learning_rate": _real(0, 10),
    "batch_size": _whole(1, 1_000_000),
    "architecture": _architecture,
    "hidden_layers": _layers,
    "seed": _whole(0, 2**32 - 1),
    "label": str,
    "checkpoint_every": _whole(1, 100_000),
    "epoch_seconds": _seconds,
    "validation_share": _real(0, 0.9),
}
