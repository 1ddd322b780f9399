"""The hyperparameters of this trainer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from eventrain_trainer.frameworks.parameters import (
    COMMON,
    Rule,
    architecture,
    layers,
    one_of,
    real_or_zero,
    take,
    whole,
)


@dataclass(frozen=True, slots=True)
class Parameters:
    epochs: int = 10
    learning_rate: float = 0.002
    batch_size: int = 64
    architecture: str = "mlp"
    hidden_layers: tuple[int, ...] = (64,)
    dropout: float = 0.1
    precision: str = "fp32"
    seed: int = 0
    label: str = ""
    checkpoint_every: int = 3
    epoch_seconds: float = 0.0
    validation_share: float = 0.2

    @classmethod
    def from_mapping(cls, given: Mapping[str, Any], epochs: int | None = None) -> "Parameters":
        """Raises ValueError, which names every violation."""
        return take(cls, RULES, given, epochs=epochs)


RULES: Mapping[str, Rule] = {
    **COMMON,
    # Of one row alone its layers can take no spread.
    "batch_size": whole(2, 1_000_000),
    "architecture": architecture("mlp", "cnn"),
    "hidden_layers": layers,
    "dropout": real_or_zero(0.9),
    "precision": one_of("fp32", "bf16", "fp16"),
    "label": str,
}
