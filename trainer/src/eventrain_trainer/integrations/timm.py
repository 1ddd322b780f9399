"""timm: a hook for a loop like that of its train.py, which ends each epoch with a summary.

    hook = EpochHook(run, epochs=300)
    for epoch in range(start_epoch, 300):
        train_metrics = train_one_epoch(...)
        eval_metrics = validate(...)
        best, _ = saver.save_checkpoint(epoch, metric=eval_metrics["top1"])
        hook.end(epoch, train_metrics, eval_metrics, checkpoint=f"{folder}/last.pth.tar")
        if hook.should_stop:
            break

It imports nothing of timm, so any loop of this form can use it.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from eventrain_trainer.integrations.quiet import first_of_all, numbers, quiet
from eventrain_trainer.run import Run


class EpochHook:
    def __init__(self, run: Run, *, epochs: int, checkpoint_every: int = 1) -> None:
        self.run = run
        self._every = checkpoint_every
        self.should_stop = False
        """Whether somebody had asked this training to end when the last epoch was told; what it
        learnt is then on its way."""
        run.progress(total_epochs=epochs)

    def end(
        self,
        epoch: int,
        train_metrics: Mapping[str, Any],
        eval_metrics: Mapping[str, Any] | None = None,
        *,
        lr: float | None = None,
        checkpoint: str | Path | None = None,
    ) -> None:
        """Says what one epoch, counted from 0 as timm does, came to; never raises. The file of a
        checkpoint may be written over by the next epoch."""
        self.should_stop = self.run.should_stop
        if first_of_all():
            self._tell(epoch + 1, train_metrics, eval_metrics or {}, lr, checkpoint)

    @quiet
    def _tell(
        self,
        epoch: int,
        train_metrics: Mapping[str, Any],
        eval_metrics: Mapping[str, Any],
        lr: float | None,
        checkpoint: str | Path | None,
    ) -> None:
        metrics = numbers(train_metrics)
        found = {f"val_{name}": value for name, value in numbers(eval_metrics).items()}
        metrics |= found | ({} if lr is None else {"lr": lr})
        self.run.log(metrics, epoch=epoch)
        self.run.event("epoch_end", **{**metrics, "epoch": epoch})
        if found:
            self.run.validation(epoch=epoch, metrics=found)
        if checkpoint is not None and (self.should_stop or epoch % self._every == 0):
            self.run.checkpoint(checkpoint, epoch=epoch, metrics=metrics, copy=True)
