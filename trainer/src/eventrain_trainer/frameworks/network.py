# pyright: reportMissingImports=false, reportUnknownParameterType=false
"""A small classifier of PyTorch, described so that it can be built again from its description."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn


@dataclass(frozen=True, slots=True)
class Form:
    """Which network it is; `classes` are the labels in the order of its outputs."""

    architecture: str
    features: int
    classes: Sequence[Any]
    hidden_layers: Sequence[int]
    dropout: float

    def as_layout(self) -> dict[str, Any]:
        """Plain values, which a checkpoint can hold without pickling classes of ours."""
        return {
            **asdict(self),
            "classes": list(self.classes),
            "hidden_layers": [*self.hidden_layers],
        }

    def build(self) -> nn.Sequential:
        """Raises ValueError for a form that cannot be built."""
        if self.architecture == "cnn":
            return _cnn(self)
        sizes = [self.features, *self.hidden_layers]
        parts: list[nn.Module] = [nn.BatchNorm1d(self.features, affine=False)]
        for before, after in itertools.pairwise(sizes):
            parts += [nn.Linear(before, after), nn.ReLU(), nn.Dropout(self.dropout)]
        return nn.Sequential(*parts, nn.Linear(sizes[-1], len(self.classes)))


def device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def check_same_task(known: Form, wanted: Form) -> None:
    """Raises ValueError for a model that was made for other data."""
    if (known.features, list(known.classes)) != (wanted.features, list(wanted.classes)):
        raise ValueError("the model to start from knows other features or classes")


def leave(form: Form, model: nn.Module, path: Path) -> None:
    """The weights and which network they are of, in plain values."""
    weights = {name: value.cpu() for name, value in model.state_dict().items()}
    torch.save({"layout": form.as_layout(), "model": weights}, path)


def load(path: Path) -> tuple[Form, nn.Sequential]:
    """The network as it was left, ready to be asked. Raises KeyError for another file."""
    found = torch.load(path, map_location="cpu", weights_only=True)
    form = Form(**found["layout"])
    model = form.build()
    model.load_state_dict(found["model"])
    return form, model.eval()


def _cnn(form: Form) -> nn.Sequential:
    """The rows are square pictures, or it is no task for this network."""
    side = math.isqrt(form.features)
    if side * side != form.features or side < 4:
        raise ValueError(f"cnn needs square pictures, and {form.features} features are none")
    parts: list[nn.Module] = [nn.Unflatten(1, (1, side, side)), nn.BatchNorm2d(1, affine=False)]
    before = 1
    for after in form.hidden_layers:
        parts += [nn.Conv2d(before, after, 3, padding=1), nn.ReLU()]
        before = after
    parts += [nn.MaxPool2d(2), nn.Flatten(), nn.Dropout(form.dropout)]
    return nn.Sequential(*parts, nn.Linear(before * (side // 2) ** 2, len(form.classes)))
