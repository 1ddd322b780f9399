# pyright: reportMissingImports=false, reportUntypedBaseClass=false
"""XGBoost: tells each round, saves, and ends the boosting when somebody asks for it.

    callback = EventrainCallback(run, rounds=200)
    xgboost.train(
        parameters, data, callback.rounds_left, evals=[(data, "train")],
        xgb_model=callback.base, callbacks=[callback],
    )

`XGBClassifier(callbacks=[EventrainCallback(run)])` and `xgboost.cv` take it too.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from xgboost import collective
from xgboost.callback import TrainingCallback

from eventrain_trainer.integrations.quiet import quiet
from eventrain_trainer.run import Run

Log = Mapping[str, Mapping[str, Sequence[Any]]]


class EventrainCallback(TrainingCallback):
    def __init__(self, run: Run, *, rounds: int | None = None, checkpoint_every: int = 10) -> None:
        super().__init__()
        self.run = run
        self._rounds = rounds
        self._every = checkpoint_every
        self._round = 0
        resumed = run.resume()
        self.base = None if resumed is None else str(resumed.path)
        """The model of an earlier attempt, for `xgb_model`."""
        self._done = 0 if resumed is None else resumed.epoch or 0

    @property
    def rounds_left(self) -> int:
        """How many of the rounds no earlier attempt made."""
        return max(0, (self._rounds or 0) - self._done)

    def before_training(self, model: Any) -> Any:
        self._tell_start(model)
        return model

    def after_iteration(self, model: Any, epoch: int, evals_log: Log) -> bool:
        """True ends the boosting."""
        self._round = self._done + epoch + 1
        stopping = _anywhere(self.run.should_stop)
        if collective.get_rank() == 0:
            self._tell(evals_log)
            if stopping or self._round % self._every == 0:
                self._save(model, evals_log)
        return stopping

    @quiet
    def _tell_start(self, model: Any) -> None:
        self.run.progress(epoch=self._done, total_epochs=self._rounds)

    @quiet
    def _tell(self, evals_log: Log) -> None:
        self.run.log(_latest(evals_log), epoch=self._round)

    @quiet
    def _save(self, model: Any, evals_log: Log) -> None:
        if not hasattr(model, "save_model"):  # the folds of a cross-validation are no model
            return
        path = self.run.work_dir / f"round-{self._round}.ubj"
        model.save_model(path)
        self.run.checkpoint(path, epoch=self._round, metrics=_latest(evals_log))


def _anywhere(asked: bool) -> bool:
    """Whether any of the workers that train together was asked: all of them stop in one round."""
    if collective.get_world_size() == 1:
        return asked
    return bool(collective.allreduce(np.array([int(asked)]), collective.Op.MAX)[0])


def _latest(evals_log: Log) -> dict[str, float]:
    """`train_logloss` and the like; a cross-validation gives mean and deviation."""
    found: dict[str, float] = {}
    for data, metrics in evals_log.items():
        for metric, course in metrics.items():
            last = course[-1]
            found[f"{data}_{metric}"] = last[0] if isinstance(last, tuple) else last
    return found
