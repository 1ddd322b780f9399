"""The callbacks of XGBoost and LightGBM, in their real loops."""

import json
from pathlib import Path

import pytest

from tests.frameworks.journey import LONG, Start
from tests.integration.trainer.control_plane import ControlPlane

SCRIPT = str(Path(__file__).with_name("script.py"))
LOSS = {"xgboost": "train_logloss", "lightgbm": "train_binary_logloss"}
pytestmark = pytest.mark.timeout(4 * LONG)


@pytest.mark.parametrize("library", LOSS)
class TestBoosting:
    def test_tells_each_round_and_saves(
        self, plane: ControlPlane, program: Start, framework_python: str, library: str
    ) -> None:
        run = program(SCRIPT, library, **plane.environ(PYTHON=framework_python))

        assert run.wait(LONG) == 0, run.output
        losses = [p["value"] for p in plane.points if p["name"] == LOSS[library]]
        assert len(losses) == 20
        assert losses[-1] < 0.7 * losses[0]
        assert [saved["epoch"] for saved in plane.of_type("checkpoint_saved")] == [4, 8, 12, 16, 20]
        assert plane.heartbeats[-1]["totalEpochs"] == 20

    def test_goes_on_where_an_earlier_attempt_was(
        self, plane: ControlPlane, program: Start, framework_python: str, library: str
    ) -> None:
        first = program(SCRIPT, library, **plane.environ(PYTHON=framework_python))
        assert first.wait(LONG) == 0, first.output
        whole = {p["step"]: p["value"] for p in plane.points if p["name"] == LOSS[library]}
        saved = plane.of_type("checkpoint_saved")[1]
        plane.heartbeats.clear()
        plane.attempt = 2

        config = json.dumps({"checkpoint": saved})
        environ = plane.environ(PYTHON=framework_python, TRAINER_CONFIG=config)
        second = program(SCRIPT, library, **environ)

        assert second.wait(LONG) == 0, second.output
        assert "made 20 rounds" in second.output.splitlines()
        rest = {p["step"]: p["value"] for p in plane.points if p["name"] == LOSS[library]}
        assert rest == pytest.approx({n: v for n, v in whole.items() if n > 8}, rel=1e-5)

    def test_ends_the_boosting_when_somebody_asks_for_it(
        self, plane: ControlPlane, program: Start, framework_python: str, library: str
    ) -> None:
        environ = plane.environ(
            PYTHON=framework_python, UNTIL_ASKED_TO_STOP="1", TERMINATION_GRACE_SECONDS="240"
        )
        run = program(SCRIPT, library, **environ)
        plane.wait_for(lambda: plane.of_type("waiting"), LONG)
        plane.command = "checkpoint_and_stop"

        assert run.wait(LONG) == 143, run.output
        assert [saved["epoch"] for saved in plane.of_type("checkpoint_saved")] == [1]
        assert "made 1 rounds" in run.output
