"""A program that knows Transformers and MLflow and nothing of ours."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.frameworks.journey import LONG, Start
from tests.functional.conftest import eventrain, user
from tests.functional.stack import Command, Up
from tests.functional.tracked import Server, check_that_it_has_all, waiting
from tests.functional.user import User
from tests.integration.trainer.control_plane import ControlPlane

__all__ = ["eventrain", "user"]

PLAIN = Path(__file__).with_name("plain")


@pytest.fixture(scope="session")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    stack = Up(tmp_path_factory.mktemp("home"), options=["--mlflow"])
    stack.start(seconds=240)
    yield stack
    stack.end()


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

    def test_shows_them_and_registers_the_model_here_and_in_mlflow_from_one_command(
        self, framework_python: str, eventrain: Command, user: User, up: Up
    ) -> None:
        server = Server(up)
        waiting(server.answers, seconds=240)
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
        check_that_it_has_all(server, user, job, "loss", "final/model.safetensors")


def _is_registered(job: dict[str, Any]) -> bool:
    over = job["status"] in ("failed", "cancelled")
    return over or job["outputModelEntryId"] is not None
