"""mytrainer as a job runs it: a process of its own behind the runner, and a control plane that
misbehaves when it is told to."""

import json
from pathlib import Path

from eventrain_trainer.mock import ControlPlane
from eventrain_trainer.testing import StartTrainer

TRAINER = Path(__file__).parent


def test_learns_and_leaves_its_model(
    control_plane: ControlPlane, start_trainer: StartTrainer
) -> None:
    attempt = start_trainer(TRAINER, epochs=60, epoch_seconds=0)

    assert attempt.wait() == 0, attempt.output
    losses = control_plane.values("loss")
    assert len(losses) == 60
    assert losses[-1] < 0.01 * losses[0]
    [artifact] = control_plane.dones[0]["artifacts"]
    model = json.loads(control_plane.store.read(control_plane.store.key(artifact["uri"])))
    assert round(model["slope"]) == 3


def test_goes_on_where_a_lost_attempt_was(
    control_plane: ControlPlane, start_trainer: StartTrainer
) -> None:
    first = start_trainer(TRAINER, epochs=1000)
    control_plane.wait_for(lambda: control_plane.checkpoints)
    first.kill()
    saved = control_plane.checkpoints[-1]["epoch"]
    told = len(control_plane.points)

    control_plane.next_attempt()
    second = start_trainer(TRAINER, epochs=saved + 3, epoch_seconds=0)

    assert second.wait() == 0, second.output
    assert [point["step"] for point in control_plane.points[told:]] == [
        saved + 1,
        saved + 2,
        saved + 3,
    ]
