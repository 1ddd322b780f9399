# pyright: reportMissingImports=false, reportUnknownParameterType=false
"""LightGBM: tells each round, saves, and ends the boosting when somebody asks for it.

callback = EventrainCallback(run, rounds=200)
lightgbm.train(
    parameters, data, callback.rounds_left, valid_sets=[data], valid_names=["train"],
    init_model=callback.base, callbacks=[callback],
)
"""

from typing import Any

from lightgbm.callback import CallbackEnv, EarlyStopException

from eventrain_trainer.integrations.quiet import first_of_all, quiet
from eventrain_trainer.run import Run


class EventrainCallback:
    order = 25
    """After LightGBM's own, which record what was measured, and before it stops early."""
    before_iteration = False

    def __init__(self, run: Run, *, rounds: int | None = None, checkpoint_every: int = 10) -> None:
        self.run = run
        self._rounds = rounds
        self._every = checkpoint_every
        resumed = run.resume()
        self.base = None if resumed is None else str(resumed.path)
        """The model of an earlier attempt, for `init_model`."""
        self._done = 0 if resumed is None else resumed.epoch or 0

    @property
    def rounds_left(self) -> int:
        """How many of the rounds no earlier attempt made."""
        return max(0, (self._rounds or 0) - self._done)

    def __call__(self, env: CallbackEnv) -> None:
        """Raises EarlyStopException, which is how LightGBM is asked to stop."""
        stopping = self.run.should_stop
        if first_of_all():
            self._tell(env)
            if stopping or (env.iteration + 1) % self._every == 0:
                self._save(env)
        if stopping:
            raise EarlyStopException(env.iteration, env.evaluation_result_list or [])

    @quiet
    def _tell(self, env: CallbackEnv) -> None:
        if env.iteration == env.begin_iteration:
            self.run.progress(total_epochs=env.end_iteration)
        self.run.log(_latest(env), epoch=env.iteration + 1)

    @quiet
    def _save(self, env: CallbackEnv) -> None:
        if not hasattr(env.model, "save_model"):
            return
        path = self.run.work_dir / f"round-{env.iteration + 1}.txt"
        env.model.save_model(path)
        self.run.checkpoint(path, epoch=env.iteration + 1, metrics=_latest(env))


def _latest(env: CallbackEnv) -> dict[str, float]:
    """`train_l2` and the like; a cross-validation adds a deviation, which is left out."""
    results: list[Any] = env.evaluation_result_list or []
    return {f"{result[0]}_{result[1]}": float(result[2]) for result in results}
