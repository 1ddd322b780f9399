# pyright: reportMissingImports=false, reportUnknownLambdaType=false
"""The training itself: one pass over the rows an epoch, everything it needs to go on kept."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from eventrain_trainer.frameworks import network, randomness
from eventrain_trainer.frameworks.loop import write_whole
from eventrain_trainer.frameworks.network import Form
from eventrain_trainer.frameworks.pytorch.parameters import Parameters
from eventrain_trainer.frameworks.tabular import Split

TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


class Training:
    """Network, optimizer, schedule, scaler of gradients and random numbers go on together."""

    def __init__(self, form: Form, parameters: Parameters, data: Split) -> None:
        randomness.seed(parameters.seed)
        self.form = form
        self.epoch = 0
        self._parameters = parameters
        self._device = network.device()
        self.model = form.build().to(self._device)
        self._optimizer = torch.optim.AdamW(self.model.parameters(), lr=parameters.learning_rate)
        self._schedule = torch.optim.lr_scheduler.CosineAnnealingLR(
            self._optimizer, parameters.epochs, parameters.learning_rate / 20
        )
        scaled = parameters.precision == "fp16" and self._device.type == "cuda"
        self._scaler = torch.amp.GradScaler(self._device.type, enabled=scaled)
        self._order = torch.Generator().manual_seed(parameters.seed)
        self._rows, self._labels = self._tensors(data.train_rows, data.train_labels)
        self._validation = self._tensors(data.validation_rows, data.validation_labels)

    def run_epoch(self) -> Mapping[str, float]:
        self.model.train()
        order = torch.randperm(len(self._rows), generator=self._order)
        # Of one row alone no spread can be taken.
        for batch in (each for each in order.split(self._parameters.batch_size) if len(each) > 1):
            self._optimizer.zero_grad()
            loss = self._loss(self._rows[batch], self._labels[batch])
            self._scaler.scale(loss).backward()
            self._scaler.step(self._optimizer)
            self._scaler.update()
        self._schedule.step()
        self.epoch += 1
        return self.measure()

    def measure(self) -> dict[str, float]:
        loss, accuracy = self._score(self._rows, self._labels)
        val_loss, val_accuracy = self._score(*self._validation)
        return {
            "loss": loss,
            "accuracy": accuracy,
            "val_loss": val_loss,
            "val_accuracy": val_accuracy,
        }

    def confusion(self) -> Any:
        """How often each class of the validation, a row each, was taken for which."""
        _, truth = self._validation
        count = len(self.form.classes)
        with torch.no_grad():
            guesses = self._outputs(self._validation[0]).argmax(1)
        return torch.bincount(truth * count + guesses, minlength=count**2).view(count, count).cpu()

    def save(self, path: Path) -> Path:
        return write_whole(path, lambda part: torch.save(self._state(), part))

    def load(self, path: Path) -> None:
        """Raises ValueError for a checkpoint of another network."""
        state = torch.load(path, map_location=self._device, weights_only=True)
        if state["layout"] != self.form.as_layout():
            raise ValueError(f"{path.name} is a checkpoint of another network or dataset")
        self.model.load_state_dict(state["model"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._schedule.load_state_dict(state["schedule"])
        self._scaler.load_state_dict(state["scaler"])
        self._order.set_state(state["order"].cpu())
        randomness.restore({**state["random"], "torch": state["random"]["torch"].cpu()})
        self.epoch = state["epoch"]

    def _state(self) -> dict[str, Any]:
        return {
            "layout": self.form.as_layout(),
            "epoch": self.epoch,
            "model": self.model.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "schedule": self._schedule.state_dict(),
            "scaler": self._scaler.state_dict(),
            "order": self._order.get_state(),
            "random": randomness.states(),
        }

    def _loss(self, rows: Any, labels: Any) -> Any:
        kind = TYPES.get(self._parameters.precision)
        with torch.autocast(self._device.type, dtype=kind, enabled=kind is not None):
            return nn.functional.cross_entropy(self.model(rows), labels)

    def _score(self, rows: Any, labels: Any) -> tuple[float, float]:
        with torch.no_grad():
            outputs = self._outputs(rows)
            loss = nn.functional.cross_entropy(outputs, labels)
        return float(loss), float((outputs.argmax(1) == labels).float().mean())

    def _outputs(self, rows: Any) -> Any:
        self.model.eval()
        return torch.cat([self.model(part) for part in rows.split(4096)])

    def _tensors(self, rows: Any, labels: Any) -> tuple[Any, Any]:
        places = {label: at for at, label in enumerate(self.form.classes)}
        numbers = np.array([places[label] for label in labels.tolist()], dtype=np.int64)
        return (
            torch.as_tensor(rows, dtype=torch.float32, device=self._device),
            torch.as_tensor(numbers, device=self._device),
        )
