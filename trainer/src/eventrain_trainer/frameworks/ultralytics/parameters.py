"""The hyperparameters of this trainer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from eventrain_trainer.frameworks.parameters import (
    COMMON,
    Rule,
    architecture,
    one_of,
    take,
    whole,
)


@dataclass(frozen=True, slots=True)
class Parameters:
    epochs: int = 10
    learning_rate: float = 0.002
    batch_size: int = 16
    architecture: str = "classify"
    image_size: int = 64
    scale: str = "n"
    seed: int = 0
    checkpoint_every: int = 3
    epoch_seconds: float = 0.0
    validation_share: float = 0.2

    @classmethod
    def from_mapping(cls, given: Mapping[str, Any], epochs: int | None = None) -> "Parameters":
        """Raises ValueError, which names every violation."""
        return take(cls, RULES, given, epochs=epochs)


def _side(value: Any) -> int:
    """The network halves a picture five times, and of what is left it takes a spread."""
    if (side := whole(64, 2048)(value)) % 32:
        raise ValueError(f"must be a multiple of 32, not {value!r}")
    return side


RULES: Mapping[str, Rule] = {
    **COMMON,
    # Of one picture alone its layers can take no spread.
    "batch_size": whole(2, 1_000_000),
    "architecture": architecture("classify", "detect"),
    "image_size": _side,
    "scale": one_of("n", "s", "m", "l", "x"),
}
