# pyright: reportMissingImports=false
"""Ultralytics: callbacks for a model's `train`.

    model = YOLO("yolo11n.yaml")
    attach(model, run)
    model.train(data="shapes.yaml", epochs=20)

Each epoch's losses and metrics are told, what its validation found with the confusion matrix, and
the file that it saves every so many epochs. When somebody asks to stop, it validates and saves
after the next batch. `train(resume=run.resume().path)` goes on from what was saved.
"""

from collections.abc import Callable, Mapping
from typing import Any

from eventrain_trainer.integrations.quiet import first_of_all, numbers, quiet
from eventrain_trainer.run import Run
from eventrain_trainer.validation import MOST_CLASSES

Callbacks = dict[str, Callable[[Any], None]]


def callbacks(run: Run, *, checkpoint_every: int = 1) -> Callbacks:
    """By the names under which `model.add_callback` takes them."""
    told = _Told(run, checkpoint_every)
    return {
        "on_train_start": told.start,
        "on_train_epoch_start": told.start_epoch,
        "on_train_batch_end": told.end_batch,
        "on_fit_epoch_end": told.end_epoch,
    }


def attach(model: Any, run: Run, *, checkpoint_every: int = 1) -> None:
    for name, callback in callbacks(run, checkpoint_every=checkpoint_every).items():
        model.add_callback(name, callback)


class _Told:
    def __init__(self, run: Run, checkpoint_every: int) -> None:
        self.run = run
        self._every = checkpoint_every
        self._within = False

    def start(self, trainer: Any) -> None:
        if first_of_all():
            self._tell_start(trainer)

    def start_epoch(self, trainer: Any) -> None:
        self._within = True

    def end_batch(self, trainer: Any) -> None:
        """An epoch that is cut short counts as one. Of several processes none ends before the
        others do, with the epoch."""
        if trainer.world_size <= 1 and self.run.should_stop:
            trainer.stop = True

    def end_epoch(self, trainer: Any) -> None:
        """Called once more at the end, when the best weights were validated: that is no epoch."""
        if not self._within:
            return
        self._within = False
        stopping = self.run.should_stop
        if first_of_all():
            self._tell(trainer, trainer.epoch + 1, stopping)
        if stopping:
            trainer.stop = True

    @quiet
    def _tell_start(self, trainer: Any) -> None:
        self.run.progress(epoch=trainer.start_epoch, total_epochs=trainer.epochs)

    @quiet
    def _tell(self, trainer: Any, epoch: int, stopping: bool) -> None:
        losses = numbers(trainer.label_loss_items(trainer.tloss, prefix="train"))
        found = numbers(trainer.metrics or {})
        metrics = {"loss": sum(losses.values()), **losses, **found, **numbers(trainer.lr)}
        self.run.log(metrics, epoch=epoch)
        self.run.event("epoch_end", **{**metrics, "epoch": epoch})
        self.run.validation(epoch=epoch, metrics=found, **_matrix(trainer.validator))
        if trainer.args.save and (stopping or epoch % self._every == 0):
            # The file is written over by the next epoch.
            self.run.checkpoint(trainer.last, epoch=epoch, metrics=metrics, copy=True)


def _matrix(validator: Any) -> Mapping[str, Any]:
    """Ultralytics has a row for each class that was guessed; detection adds the background."""
    found = getattr(getattr(validator, "confusion_matrix", None), "matrix", None)
    if found is None or len(found) > MOST_CLASSES:
        return {}
    names = [str(name) for name in dict(validator.names).values()]
    labels = [*names, "background"][: len(found)]
    return {"confusion_matrix": found.T, "labels": labels}
