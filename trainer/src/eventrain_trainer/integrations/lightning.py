# pyright: reportMissingImports=false, reportUnknownParameterType=false, reportUntypedBaseClass=false
"""Lightning: a callback for `Trainer`, of the package `lightning` or of `pytorch_lightning`.

    trainer = Trainer(callbacks=[EventrainCallback(run)], max_epochs=10)
    trainer.fit(module, ckpt_path=resume_path(run))

What the module logs becomes metrics, one point of each an epoch; what it logs in validation a
validation too. It saves every so many epochs, and at once when somebody asks to stop. Lightning
moves schedules by epoch on only after that: one by steps goes on exactly after a resume.
"""

import signal
import threading
from collections.abc import Callable, Sequence
from typing import Any

try:
    from lightning.pytorch import LightningModule, Trainer
    from lightning.pytorch.callbacks import Callback
except ModuleNotFoundError:
    from pytorch_lightning import LightningModule, Trainer
    from pytorch_lightning.callbacks import Callback

from eventrain_trainer.integrations.quiet import numbers, quiet
from eventrain_trainer.run import Run
from eventrain_trainer.validation import Matrix

Confusion = Callable[[], tuple[Matrix, Sequence[Any]]]


class EventrainCallback(Callback):
    def __init__(
        self,
        run: Run,
        *,
        checkpoint_every: int = 1,
        within_epochs: bool = True,
        confusion: Confusion | None = None,
    ) -> None:
        """`within_epochs` says whether it stops at the next batch, or when the epoch is over;
        `confusion` gives the matrix of the validation just made, and its labels."""
        super().__init__()
        self.run = run
        self.stopped = False
        self._every = checkpoint_every
        self._within = within_epochs
        self._confusion = confusion
        self._before: dict[str, float] = {}
        self._of_validation: set[str] = set()
        self._validated = False
        self._on_sigterm = signal.getsignal(signal.SIGTERM)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """On SIGTERM Lightning would break off with nothing saved: the run's handler, which was
        there before Lightning's, lets this callback save."""
        if callable(self._on_sigterm) and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self._on_sigterm)
        if trainer.is_global_zero:
            self._tell_start(trainer)

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        if self._within and not trainer.should_stop and self._asked(trainer):
            self._save(trainer, trainer.current_epoch, {})
            trainer.should_stop = self.stopped = True

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._before = numbers(trainer.callback_metrics)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.sanity_checking:
            return
        found = numbers(trainer.callback_metrics)
        changed = {name for name, value in found.items() if self._before.get(name) != value}
        self._of_validation |= changed
        self._validated = True
        if trainer.is_global_zero:
            ours = {name: value for name, value in found.items() if name in self._of_validation}
            self._tell_validation(trainer.current_epoch + 1, ours)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        epoch = trainer.current_epoch + 1
        metrics = self._fresh(trainer)
        if trainer.is_global_zero:
            self._tell(epoch, metrics)
        stopping = self._asked(trainer)
        if not self.stopped and (stopping or epoch % self._every == 0):
            self._save(trainer, epoch, metrics)
        if stopping:
            trainer.should_stop = self.stopped = True

    def _asked(self, trainer: Trainer) -> bool:
        """Whether any of the processes that train together was: all of them stop at one batch."""
        asked = self.run.should_stop
        if trainer.world_size == 1:
            return asked
        return trainer.strategy.reduce_boolean_decision(asked, all=False)

    @quiet
    def _tell_start(self, trainer: Trainer) -> None:
        self.run.progress(
            epoch=trainer.current_epoch,
            total_epochs=trainer.max_epochs if (trainer.max_epochs or -1) > 0 else None,
            total_steps=trainer.max_steps if trainer.max_steps > 0 else None,
        )

    @quiet
    def _tell(self, epoch: int, metrics: dict[str, float]) -> None:
        self.run.log(metrics, epoch=epoch)
        self.run.event("epoch_end", **{**metrics, "epoch": epoch})

    @quiet
    def _tell_validation(self, epoch: int, metrics: dict[str, float]) -> None:
        matrix, labels = self._confusion() if self._confusion else (None, None)
        self.run.validation(epoch=epoch, metrics=metrics, confusion_matrix=matrix, labels=labels)

    def _fresh(self, trainer: Trainer) -> dict[str, float]:
        """Without what an older validation found, which the trainer keeps showing."""
        found = numbers(trainer.callback_metrics)
        stale = set[str]() if self._validated else self._of_validation
        self._validated = False
        return {name: value for name, value in found.items() if name not in stale}

    def _save(self, trainer: Trainer, epoch: int, metrics: dict[str, float]) -> None:
        """Every process takes part; a strategy that saves a folder is left to its own callbacks."""
        path = self.run.work_dir / f"epoch-{epoch}-step-{trainer.global_step}.ckpt"
        try:
            trainer.save_checkpoint(path, weights_only=False)
        except OSError as error:
            self.run.warn(f"the checkpoint was not saved: {error}")
            return
        if trainer.is_global_zero and path.is_file():
            self.run.checkpoint(path, epoch=epoch, metrics=metrics)


def resume_path(run: Run) -> str | None:
    """What `fit(ckpt_path=...)` takes: the newest checkpoint of an earlier attempt, or None."""
    resumed = run.resume()
    return None if resumed is None else str(resumed.path)
