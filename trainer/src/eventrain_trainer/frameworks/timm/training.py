# pyright: reportMissingImports=false, reportUnknownLambdaType=false, reportUnknownParameterType=false
"""The training itself, with timm's models, optimizers, schedules and meters."""

from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from timm.optim import create_optimizer_v2
from timm.scheduler import CosineLRScheduler
from timm.utils import AverageMeter
from torch import nn

from eventrain_trainer.frameworks import network, randomness
from eventrain_trainer.frameworks.loop import write_whole
from eventrain_trainer.frameworks.tabular import Split
from eventrain_trainer.frameworks.timm.parameters import Parameters

Metrics = dict[str, float]


class Training:
    """Model, optimizer, schedule and random numbers go on together."""

    def __init__(self, parameters: Parameters, data: Split) -> None:
        randomness.seed(parameters.seed)
        self.epoch = 0
        self.classes: list[Any] = data.classes.tolist()
        self._parameters = parameters
        self._device = network.device()
        self.model = create(parameters.architecture, self.classes).to(self._device)
        self._optimizer = create_optimizer_v2(
            self.model,
            opt="adamw",
            lr=parameters.learning_rate,
            weight_decay=parameters.weight_decay,
        )
        self._schedule = CosineLRScheduler(
            self._optimizer, t_initial=parameters.epochs, lr_min=parameters.learning_rate / 20
        )
        self._schedule.step(0)
        self._order = torch.Generator().manual_seed(parameters.seed)
        self._pictures, self._labels = self._tensors(data.train_rows, data.train_labels)
        self._validation = self._tensors(data.validation_rows, data.validation_labels)
        self._confusion: Any = None

    @property
    def confusion(self) -> Any:
        """How often each class of the last validation, a row each, was taken for which."""
        return self._confusion

    def run_epoch(self) -> tuple[Metrics, Metrics]:
        """What the epoch's training and the validation after it came to."""
        self.model.train()
        losses = AverageMeter()
        order = torch.randperm(len(self._labels), generator=self._order)
        for batch in (each for each in order.split(self._parameters.batch_size) if len(each) > 1):
            pictures = self._mirrored(self._pictures[batch])
            self._optimizer.zero_grad()
            loss = nn.functional.cross_entropy(self.model(pictures), self._labels[batch])
            loss.backward()
            self._optimizer.step()
            losses.update(loss.item(), len(batch))
        self.epoch += 1
        self._schedule.step(self.epoch)
        return {"loss": losses.avg}, self.validate()

    def validate(self) -> Metrics:
        self.model.eval()
        pictures, truth = self._validation
        with torch.no_grad():
            outputs = torch.cat([self.model(part) for part in pictures.split(256)])
        count, guesses = len(self.classes), outputs.argmax(1)
        seen = torch.bincount(truth * count + guesses, minlength=count**2)
        self._confusion = seen.view(count, count).cpu()
        loss = nn.functional.cross_entropy(outputs, truth)
        return {"loss": float(loss), "accuracy": float((guesses == truth).float().mean())}

    def save(self, path: Path) -> Path:
        return write_whole(path, lambda part: torch.save(self._state(), part))

    def load(self, path: Path) -> None:
        """Raises ValueError for a checkpoint of another model."""
        state = torch.load(path, map_location=self._device, weights_only=True)
        self._check(state, path)
        self.model.load_state_dict(state["model"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._schedule.load_state_dict(state["schedule"])
        self._order.set_state(state["order"].cpu())
        randomness.restore({**state["random"], "torch": state["random"]["torch"].cpu()})
        self.epoch = state["epoch"]

    def start_from(self, path: Path) -> None:
        """The weights of a model that `leave` wrote. Raises ValueError for another one."""
        state = torch.load(path, map_location=self._device, weights_only=True)
        self._check(state, path)
        self.model.load_state_dict(state["model"])

    def leave(self, path: Path) -> None:
        weights = {name: value.cpu() for name, value in self.model.state_dict().items()}
        torch.save({**self._identity(), "model": weights}, path)

    def _identity(self) -> dict[str, Any]:
        return {"architecture": self._parameters.architecture, "classes": self.classes}

    def _check(self, state: dict[str, Any], path: Path) -> None:
        if {name: state.get(name) for name in ("architecture", "classes")} != self._identity():
            raise ValueError(f"{path.name} is of another model, or of one that knows other classes")

    def _state(self) -> dict[str, Any]:
        return {
            **self._identity(),
            "epoch": self.epoch,
            "model": self.model.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "schedule": self._schedule.state_dict(),
            "order": self._order.get_state(),
            "random": randomness.states(),
        }

    def _mirrored(self, pictures: Any) -> Any:
        """Half of them, by chance."""
        turned = torch.rand(len(pictures), generator=self._order) < 0.5
        return torch.where(turned.to(self._device)[:, None, None, None], pictures.flip(3), pictures)

    def _tensors(self, pictures: Any, labels: Any) -> tuple[Any, Any]:
        places = {label: at for at, label in enumerate(self.classes)}
        numbers = np.array([places[label] for label in labels.tolist()], dtype=np.int64)
        values = torch.as_tensor(pictures, device=self._device).permute(0, 3, 1, 2)
        return (values.float() / 127.5 - 1.0), torch.as_tensor(numbers, device=self._device)


def create(architecture: str, classes: list[Any]) -> nn.Module:
    """No weights are fetched. Raises ValueError for a name that this timm does not know."""
    if not timm.is_model(architecture):
        raise ValueError(f"hyperparameters: architecture: timm has no model {architecture}")
    return timm.create_model(architecture, pretrained=False, num_classes=len(classes))
