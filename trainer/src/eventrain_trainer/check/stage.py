"""Where a trainer is put on: a fresh control plane for each scene, and a short or an endless part."""

import itertools
import subprocess
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eventrain_trainer.check.row import Broken
from eventrain_trainer.mock import Attempt, ControlPlane, Trainer

INTERVAL = 0.5
ENDLESS = 100_000


@dataclass
class Stage:
    """`patience` is how long to wait for anything that a working trainer does sooner."""

    trainer: Trainer
    folder: Path
    hyperparameters: dict[str, Any] = field(default_factory=dict[str, Any])
    endless: dict[str, Any] = field(default_factory=dict[str, Any])
    """What makes a training long enough to be disturbed, on top of the others."""
    environ: dict[str, str] = field(default_factory=dict[str, str])
    dataset: Path | None = None
    patience: float = 120.0
    grace: float = 30.0
    _scenes: "itertools.count[int]" = field(default_factory=itertools.count)

    @contextmanager
    def plane(self, *, endless: bool = False) -> Generator[ControlPlane]:
        folder = self.folder / f"scene-{next(self._scenes)}"
        with ControlPlane(folder, interval=INTERVAL) as plane:
            plane.hyperparameters = self.hyperparameters | (self.endless if endless else {})
            if self.dataset:
                plane.give_dataset(self.dataset)
            yield plane

    @contextmanager
    def attempt(self, plane: ControlPlane, **environ: str) -> Generator[Attempt]:
        """The present attempt of the trainer; gone when the block ends."""
        given = {
            "CALLBACK_TIMEOUT_SECONDS": "2",
            "TERMINATION_GRACE_SECONDS": f"{self.grace:g}",
            **self.environ,
            **environ,
        }
        attempt = self.trainer.start(plane.environ(**given), plane.folder)
        try:
            yield attempt
        finally:
            attempt.kill()

    def to_the_end(self, attempt: Attempt, seconds: float = 0) -> int:
        """Its exit code. Raises Broken when it does not come to one."""
        limit = seconds or self.patience
        try:
            return attempt.wait(limit)
        except subprocess.TimeoutExpired:
            raise Broken(f"had not ended after {limit:g} s") from None

    def until(
        self, plane: ControlPlane, attempt: Attempt, happened: Callable[[], Any], what: str
    ) -> Any:
        """Raises Broken when it ends first, or nothing of it is seen for too long."""

        def settled() -> Any:
            return happened() or attempt.ended

        try:
            plane.wait_for(settled, self.patience)
        except AssertionError:
            raise Broken(f"{what} was not seen for {self.patience:g} s") from None
        found = happened()
        if not found:
            raise Broken(f"ended before {what}: {last_words(attempt)}")
        return found


def last_words(attempt: Attempt) -> str:
    """How a process ended, for a reason that fits into a row."""
    lines = [line.strip() for line in attempt.output.splitlines() if line.strip()]
    theirs = [line for line in lines if not line.startswith("eventrain: done")] or [""]
    code = attempt.process.poll()
    return f"exit {code}" + (f", {theirs[-1][:150]}" if theirs[-1] else "")


def lengthened(properties: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a training without end, as far as the schema knows their names. One whose
    epochs cannot be slowed saves as seldom as it does by itself: each of its checkpoints is
    uploaded before the next."""
    slow = {"epoch_seconds": 0.2, "checkpoint_every": 1} if "epoch_seconds" in properties else {}
    return {"epochs": ENDLESS} | {name: slow[name] for name in slow if name in properties}
