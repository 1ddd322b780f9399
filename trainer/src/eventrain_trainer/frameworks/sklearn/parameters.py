"""The hyperparameters of this trainer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from eventrain_trainer.frameworks.parameters import COMMON, Rule, architecture, layers, take


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
        """Raises ValueError, which names every violation."""
        return take(cls, RULES, given, epochs=epochs)


RULES: Mapping[str, Rule] = {
    **COMMON,
    "architecture": architecture("mlp", "linear"),
    "hidden_layers": layers,
    "label": str,
}
