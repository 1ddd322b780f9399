"""The hyperparameters of this trainer."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from eventrain_trainer.frameworks.parameters import COMMON, Rule, real_or_zero, take, whole

NAME = re.compile(r"^[a-z][a-z0-9_]{0,63}$")


@dataclass(frozen=True, slots=True)
class Parameters:
    epochs: int = 8
    learning_rate: float = 0.002
    batch_size: int = 32
    architecture: str = "resnet10t"
    image_size: int = 32
    weight_decay: float = 0.01
    seed: int = 0
    checkpoint_every: int = 3
    epoch_seconds: float = 0.0
    validation_share: float = 0.2

    @classmethod
    def from_mapping(cls, given: Mapping[str, Any], epochs: int | None = None) -> "Parameters":
        """Raises ValueError, which names every violation."""
        return take(cls, RULES, given, epochs=epochs)


def _name(value: Any) -> str:
    """Which names timm knows depends on its version; it is asked when the model is made."""
    if isinstance(value, Mapping):
        asked: Mapping[str, Any] = value
        value = asked.get("type")
    if not isinstance(value, str) or not NAME.match(value):
        raise ValueError(f"must be the name of a model of timm, not {value!r}")
    return value


RULES: Mapping[str, Rule] = {
    **COMMON,
    # Of one picture alone its layers can take no spread.
    "batch_size": whole(2, 1_000_000),
    "architecture": _name,
    "image_size": whole(16, 1024),
    "weight_decay": real_or_zero(1),
}
