# pyright: reportMissingImports=false
"""The random numbers of a training, so that it goes on exactly after a pause."""

import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch


def seed(number: int) -> None:
    random.seed(number)
    np.random.seed(number)
    torch.manual_seed(number)


def states() -> dict[str, Any]:
    """Where the generators of this process are, in plain values and tensors."""
    kept: dict[str, Any] = {"torch": torch.get_rng_state(), "python": random.getstate()}
    if torch.cuda.is_available():
        kept["cuda"] = torch.cuda.get_rng_state_all()
    return kept


def restore(kept: Mapping[str, Any]) -> None:
    """An attempt on another kind of device goes on all the same, if not exactly."""
    torch.set_rng_state(kept["torch"])
    version, numbers, gauss = kept["python"]
    random.setstate((version, tuple(numbers), gauss))
    if "cuda" in kept and torch.cuda.device_count() == len(kept["cuda"]):
        torch.cuda.set_rng_state_all(kept["cuda"])
