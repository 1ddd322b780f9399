"""Fixtures for the tests of trainers: pytest finds them where this package is installed.

def test_learns(control_plane, start_trainer):
    assert start_trainer(FOLDER, epochs=4).wait() == 0
    losses = control_plane.values("loss")
    assert losses[-1] < losses[0]
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from eventrain_trainer.mock import Attempt, ControlPlane, Trainer

StartTrainer = Callable[..., Attempt]


@pytest.fixture
def control_plane(tmp_path: Path) -> Iterator[ControlPlane]:
    """A mock of the control plane that answers while the test runs."""
    with ControlPlane(tmp_path / "control-plane", interval=0.2) as plane:
        yield plane


@pytest.fixture
def start_trainer(control_plane: ControlPlane, tmp_path: Path) -> Iterator[StartTrainer]:
    """Starts the trainer at a path as the pod of the present attempt would, behind the runner
    unless `alone`; the rest are its hyperparameters."""
    started: list[Attempt] = []

    def start(
        path: str | Path,
        *,
        alone: bool = False,
        python: str = "",
        environ: dict[str, str] | None = None,
        **hyperparameters: Any,
    ) -> Attempt:
        control_plane.hyperparameters = hyperparameters
        trainer = Trainer.find(Path(path), python=python, alone=alone)
        found = control_plane.environ(**(environ or {}))
        started.append(trainer.start(found, tmp_path / "trainer"))
        return started[-1]

    yield start
    for attempt in started:
        attempt.kill()
