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
    epochs: int = 6
    learning_rate: float = 0.005
    batch_size: int = 16
    architecture: str = "llama"
    hidden_size: int = 64
    num_layers: int = 2
    vocab_size: int = 320
    max_seq_len: int = 64
    precision: str = "fp32"
    method: str = "full"
    lora_rank: int = 8
    seed: int = 0
    checkpoint_every: int = 3
    epoch_seconds: float = 0.0
    validation_share: float = 0.1

    @classmethod
    def from_mapping(cls, given: Mapping[str, Any], epochs: int | None = None) -> "Parameters":
        """Raises ValueError, which names every violation."""
        return take(cls, RULES, given, epochs=epochs)


def _width(value: Any) -> int:
    """A head of attention is 16 wide."""
    if (width := whole(16, 8192)(value)) % 16:
        raise ValueError(f"must be a multiple of 16, not {value!r}")
    return width


RULES: Mapping[str, Rule] = {
    **COMMON,
    "architecture": architecture("llama", "gpt2"),
    "hidden_size": _width,
    "num_layers": whole(1, 128),
    # Every byte is a token, and so is the end of a text.
    "vocab_size": whole(257, 200_000),
    "max_seq_len": whole(8, 131_072),
    "precision": one_of("fp32", "bf16", "fp16"),
    "method": one_of("full", "lora"),
    "lora_rank": whole(1, 1024),
}
