# pyright: reportMissingImports=false, reportUntypedBaseClass=false
"""Hugging Face Transformers: a callback for `Trainer`.

    callback = EventrainCallback(run)
    trainer = Trainer(model=model, args=arguments, callbacks=[callback], ...)
    trainer.train(resume_from_checkpoint=resume_folder(run))

What Trainer logs becomes metrics, what it evaluates a validation, what it saves a checkpoint. When
somebody asks to stop, it saves and ends as Trainer itself would.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from eventrain_trainer.integrations.quiet import numbers, pack, quiet, unpack
from eventrain_trainer.run import Run


class EventrainCallback(TrainerCallback):
    def __init__(self, run: Run, *, upload_checkpoints: bool = True) -> None:
        self.run = run
        self.stopped = False
        self._upload = upload_checkpoints

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> Any:
        return self._stop_if_asked(control)

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.is_world_process_zero:
            self._tell_start(args, state)

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        if state.is_world_process_zero:
            self._tell(state, logs or {})

    def on_evaluate(
        self, args: Any, state: Any, control: Any, metrics: Any = None, **_: Any
    ) -> None:
        if state.is_world_process_zero:
            self._tell_validation(state, metrics or {})

    def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> Any:
        if state.is_world_process_zero:
            self.run.event("epoch_end", epoch=_epoch(state), step=state.global_step)
        return self._stop_if_asked(control)

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.is_world_process_zero and self._upload:
            self._save(args, state)

    def _stop_if_asked(self, control: Any) -> Any:
        if not self.stopped and _anywhere(self.run.should_stop):
            self.stopped = True
            control.should_save = True
            control.should_training_stop = True
        return control

    @quiet
    def _tell_start(self, args: Any, state: Any) -> None:
        self.run.progress(
            epoch=_epoch(state),
            total_epochs=int(state.num_train_epochs),
            step=state.global_step,
            total_steps=state.max_steps,
        )

    @quiet
    def _tell(self, state: Any, logs: Mapping[str, Any]) -> None:
        found = numbers({name: value for name, value in logs.items() if name != "epoch"})
        self.run.log(found, epoch=_epoch(state), step=state.global_step)

    @quiet
    def _tell_validation(self, state: Any, metrics: Mapping[str, Any]) -> None:
        found = numbers({name: value for name, value in metrics.items() if name != "epoch"})
        self.run.validation(epoch=_epoch(state), step=state.global_step, metrics=found)

    @quiet
    def _save(self, args: Any, state: Any) -> None:
        """The newest line of what was logged comes with it, and Trainer may delete its folder."""
        folder = Path(args.output_dir) / f"{PREFIX_CHECKPOINT_DIR}-{state.global_step}"
        last = numbers(state.log_history[-1]) if state.log_history else {}
        packed = pack(folder)
        self.run.checkpoint(packed, step=state.global_step, epoch=_epoch(state), metrics=last)
        if packed.stat().st_nlink > 1:  # the run keeps it under a name of its own
            packed.unlink()


def resume_folder(run: Run) -> str | None:
    """What `resume_from_checkpoint` takes: the newest checkpoint of an earlier attempt, or None."""
    resumed = run.resume()
    if resumed is None:
        return None
    return str(unpack(resumed, run.work_dir / f"{PREFIX_CHECKPOINT_DIR}-{resumed.step or 0}"))


def _epoch(state: Any) -> int:
    """Those that are over: Trainer counts in fractions."""
    return int((state.epoch or 0.0) + 1e-6)


def _anywhere(asked: bool) -> bool:
    """Whether any of the processes that train together was asked: all of them stop at one step."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return asked
    device = "cuda" if torch.distributed.get_backend() == "nccl" else "cpu"
    votes = torch.tensor(int(asked), device=device)
    torch.distributed.all_reduce(votes, op=torch.distributed.ReduceOp.MAX)
    return bool(votes.item())
