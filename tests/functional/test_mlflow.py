"""A script that knows MLflow and nothing of Eventrain, from one command to its registered model."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.functional.stack import Up
from tests.functional.test_own_code import submitted
from tests.functional.tracked import Server, check_that_it_has_all, tracked, waiting
from tests.functional.user import User
from tests.postgres_server import CLONE

__all__ = ["tracked"]

SCRIPT = """
import time
import mlflow
from sklearn.datasets import load_digits
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import log_loss

mlflow.sklearn.autolog()
rows, labels = load_digits(return_X_y=True)
with mlflow.start_run():
    model = SGDClassifier(loss="log_loss", random_state=0)
    model.fit(rows, labels)
    for epoch in range(25):
        model.partial_fit(rows, labels)
        loss = log_loss(labels, model.predict_proba(rows))
        mlflow.log_metric("epoch_loss", loss, step=epoch)
        time.sleep(0.3)
"""


def submit(up: Up, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "infra.cli", "submit", str(folder), "--entrypoint", "train.py"],
        check=False,
        cwd=CLONE,
        env={**os.environ, "EVENTRAIN_HOME": str(up.home), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=100,
    )
    return submitted(done)


@pytest.mark.timeout(900)
class TestAnUnchangedMlflowScript:
    def test_shows_live_metrics_artifacts_and_a_registered_model_here_and_in_mlflow(
        self, tracked: Up, tmp_path: Path
    ) -> None:
        user, server = User.of_home(tracked.home), Server(tracked)
        waiting(server.answers, seconds=240)
        (tmp_path / "train.py").write_text(SCRIPT)
        job_id = submit(tracked, tmp_path)

        def losses() -> list[dict[str, Any]]:
            points = user.pages(f"/training/jobs/{job_id}/points", "points")
            return [point for point in points if point["name"] == "epoch_loss"]

        user.wait(job_id, lambda job: job["status"] == "running" and bool(losses()), seconds=240)
        job = user.wait(job_id, lambda job: job["outputModelEntryId"] is not None, seconds=240)

        assert job["status"] == "succeeded"
        assert [point["step"] for point in losses()] == list(range(25))
        left = user.pages(f"/training/jobs/{job_id}/artifacts", "artifacts")
        names = [each["name"] for each in left]
        assert any(name.endswith("/training_confusion_matrix.png") for name in names)
        assert "model/MLmodel" in names
        entry = user.data("GET", f"/catalog/models/{job['outputModelEntryId']}")
        assert entry["evaluation_summary"]["training_accuracy_score"] > 0.8
        assert "MLmodel" in [each["name"] for each in entry["metadata"]["files"]]
        check_that_it_has_all(server, user, job, "epoch_loss", "training_confusion_matrix.png")
        user.close()
