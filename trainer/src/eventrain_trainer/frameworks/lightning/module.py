# pyright: reportMissingImports=false, reportUnknownParameterType=false, reportUntypedBaseClass=false
"""The classifier as Lightning trains it, and its data in an order that only seed and epoch say."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningModule
from torch import nn
from torch.utils.data import DataLoader, Sampler, TensorDataset

from eventrain_trainer.frameworks import randomness
from eventrain_trainer.frameworks.lightning.parameters import Parameters
from eventrain_trainer.frameworks.network import Form
from eventrain_trainer.frameworks.tabular import Split

# So far apart that no epoch of one seed is that of another.
EPOCHS_A_SEED = 1_000_003


class Classifier(LightningModule):
    def __init__(self, form: Form, parameters: Parameters) -> None:
        super().__init__()
        randomness.seed(parameters.seed)
        self.form = form
        self.network = form.build()
        self.confusion = torch.zeros(len(form.classes), len(form.classes), dtype=torch.long)
        self._wanted = parameters

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.AdamW(self.parameters(), lr=self._wanted.learning_rate)
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(
            optimizer, steps, self._wanted.learning_rate / 20
        )
        # By steps: one by epochs moves on only after the checkpoint of its epoch was written.
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    def on_train_epoch_start(self) -> None:
        """What chance decides in an epoch depends on nothing before it, so that a training that
        was resumed goes on exactly."""
        randomness.seed(_number(self._wanted.seed, self.current_epoch))

    def training_step(self, batch: Any, _: int) -> Any:
        rows, labels = batch
        loss = nn.functional.cross_entropy(self.network(rows), labels)
        self.log("loss", loss, on_step=False, on_epoch=True)
        return loss

    def on_validation_epoch_start(self) -> None:
        self.confusion.zero_()

    def validation_step(self, batch: Any, _: int) -> None:
        rows, labels = batch
        outputs = self.network(rows)
        guesses = outputs.argmax(1)
        count = len(self.form.classes)
        seen = torch.bincount(labels * count + guesses, minlength=count**2).view(count, count)
        self.confusion += seen.cpu()
        self.log("val_loss", nn.functional.cross_entropy(outputs, labels))
        self.log("val_accuracy", (guesses == labels).float().mean())


class EpochOrder(Sampler[int]):
    """Lightning says which epoch it is."""

    def __init__(self, length: int, seed: int) -> None:
        self._length, self._seed, self._epoch = length, seed, 0

    def set_epoch(self, epoch: int) -> None:
        self._epoch = epoch

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[int]:
        chance = torch.Generator().manual_seed(_number(self._seed, self._epoch))
        yield from torch.randperm(self._length, generator=chance).tolist()


def loaders(data: Split, form: Form, parameters: Parameters) -> tuple[Any, Any]:
    ours = _tensors(data.train_rows, data.train_labels, form)
    theirs = _tensors(data.validation_rows, data.validation_labels, form)
    order = EpochOrder(len(ours), parameters.seed)
    # Of one row alone no spread can be taken.
    short = len(ours) % parameters.batch_size == 1
    # A loader draws a number whenever it begins, which is not to be one of the training's.
    apart = torch.Generator()
    train = DataLoader(ours, parameters.batch_size, sampler=order, drop_last=short, generator=apart)
    return train, DataLoader(theirs, 1024, generator=apart)


def _number(seed: int, epoch: int) -> int:
    return (seed * EPOCHS_A_SEED + epoch) % 2**32


def _tensors(rows: Any, labels: Any, form: Form) -> TensorDataset:
    places = {label: at for at, label in enumerate(form.classes)}
    numbers = np.array([places[label] for label in labels.tolist()], dtype=np.int64)
    return TensorDataset(torch.as_tensor(rows, dtype=torch.float32), torch.as_tensor(numbers))
