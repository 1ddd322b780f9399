"""A program that knows Transformers and MLflow and nothing of ours."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.frameworks.journey import LONG, Start
from tests.functional.conftest import eventrain, up, user
from tests.functional.stack import Command
from tests.functional.user import User
from tests.integration.trainer.control_plane import ControlPlane

__all__ = ["eventrain", "up", "user"]

PLAIN = Path(__file__).with_name("plain")


@pytest.mark.timeout(4 * LONG)
class TestPlainScript:
    def test_tells_its_metrics_and_leaves_its_files_and_a_model(
        self, plane: ControlPlane, program: Start, framework_python: str
    ) -> None:
        environ = plane.environ(
            PYTHON=framework_python,
            OMP_NUM_THREADS="1",
            UPLOAD_WAIT_SECONDS="120",
            DONE_WAIT_SECONDS="60",
        )
        run = program(str(PLAIN / "train.py"), **environ)

        assert run.wait(LONG) == 0, run.output
        losses = [point["value"] for point in plane.points if point["name"] == "loss"]
        assert len(losses) == 4
        assert losses[-1] < 0.7 * losses[0]
        names = [artifact["name"] for artifact in plane.dones[0]["artifacts"]]
        assert any(name.endswith("/final/model.safetensors") for name in names)
        assert "model/MLmodel" in names

    def test_shows_them_and_registers_the_model_from_one_command(
        self, framework_python: str, eventrain: Command, user: User
    ) -> None:
        wanted = ("--set", "outputModelName=plain", "--set", "autoRegisterOutputModel=true")
        submitted = eventrain(
            *("submit", str(PLAIN), "--entrypoint", "train.py", "--framework", "transformers"),
            *(*wanted, "--env", "OMP_NUM_THREADS=1"),
        )
        found = re.findall(r"Submitted (\S+)\.", submitted.stdout)
        assert found, submitted.stderr

        job = user.wait(found[0], _is_registered, seconds=3 * LONG)

        path = f"/training/jobs/{job['id']}"
        assert job["status"] == "succeeded", job["statusReason"]
        points = user.pages(f"{path}/points", "points")
        assert len([point for point in points if point["name"] == "loss"]) == 4
        names = [row["name"] for row in user.pages(f"{path}/artifacts", "artifacts")]
        assert any(name.endswith("/final/model.safetensors") for name in names), names
        entry = user.data("GET", f"/catalog/models/{job['outputModelEntryId']}")
        assert entry["name"] == "plain"


def _is_registered(job: dict[str, Any]) -> bool:
    over = job["status"] in ("failed", "cancelled")
    return over or job["outputModelEntryId"] is not None
