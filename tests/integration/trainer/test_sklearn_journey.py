import hashlib
import json
import subprocess
from collections.abc import Callable
from typing import Any

from tests.integration.trainer.bucket import Bucket
from tests.integration.trainer.control_plane import ControlPlane
from tests.integration.trainer.program import Program

Start = Callable[..., Program]


def _config(checkpoint: dict[str, Any] | None = None, **hyperparameters: Any) -> str:
    return json.dumps(
        {
            "jobType": "from_scratch",
            "framework": "sklearn",
            "hyperparameters": {"architecture": "mlp", **hyperparameters},
            "checkpoint": checkpoint,
        }
    )


class TestSklearnJourney:
    def test_trains_reports_and_leaves_a_model(
        self, plane: ControlPlane, bucket: Bucket, program: Start, sklearn_python: str
    ) -> None:
        environ = plane.environ(
            PYTHON=sklearn_python,
            TRAINER_FRAMEWORK="sklearn",
            TRAINER_CONFIG=_config(lr=0.005, num_epochs=6),
        )
        run = program(**environ)

        assert run.wait() == 0, run.output
        [done] = plane.dones
        assert done["outcome"] == "succeeded"
        assert done["metrics"]["val_accuracy"] > 0.9
        losses = [point["value"] for point in plane.points if point["name"] == "loss"]
        assert len(losses) == 6
        assert losses[-1] < 0.7 * losses[0]
        assert plane.heartbeats[-1]["progress"] == 1.0
        assert [saved["epoch"] for saved in plane.of_type("checkpoint_saved")] == [3, 6]
        assert [end["epoch"] for end in plane.of_type("epoch_end")] == [1, 2, 3, 4, 5, 6]
        self._check_artifacts(done, plane, bucket)
        assert bucket.keys(plane.key("result.json")) == []

    def _check_artifacts(self, done: dict[str, Any], plane: ControlPlane, bucket: Bucket) -> None:
        assert [artifact["name"] for artifact in done["artifacts"]] == [
            "model/metrics.json",
            "model/model.joblib",
            "model/requirements.txt",
        ]
        for artifact in done["artifacts"]:
            body = bucket.read(plane.key(f"artifacts/{artifact['name']}"))
            assert len(body) == artifact["size"]
            assert hashlib.sha256(body).hexdigest() == artifact["sha256"]

    def test_goes_on_where_a_killed_attempt_was_as_if_nothing_had_happened(
        self, plane: ControlPlane, program: Start, sklearn_python: str
    ) -> None:
        common = {"PYTHON": sklearn_python, "TRAINER_FRAMEWORK": "sklearn"}
        whole = _config(epochs=4, checkpoint_every=1)
        assert program(**plane.environ(**common, TRAINER_CONFIG=whole)).wait() == 0
        expected = {p["step"]: p["value"] for p in plane.points if p["name"] == "val_loss"}
        plane.heartbeats.clear()
        plane.events.clear()

        slow = _config(epochs=4, checkpoint_every=1, epoch_seconds=0.7)
        first = program(**plane.environ(**common, TRAINER_CONFIG=slow))
        plane.wait_for(lambda: len(plane.of_type("checkpoint_saved")) >= 2)
        first.kill()
        saved = plane.newest_checkpoint()
        assert saved is not None
        plane.heartbeats.clear()
        plane.attempt = 2
        rest = _config(saved, epochs=4, checkpoint_every=1)
        assert program(**plane.environ(**common, TRAINER_CONFIG=rest)).wait() == 0

        measured = {p["step"]: p["value"] for p in plane.points if p["name"] == "val_loss"}
        assert measured == {
            epoch: value for epoch, value in expected.items() if epoch > saved["epoch"]
        }

    def test_saves_before_it_stops_when_told_to(
        self, plane: ControlPlane, program: Start, sklearn_python: str
    ) -> None:
        config = _config(epochs=1000, checkpoint_every=1000, epoch_seconds=0.5)
        environ = plane.environ(
            PYTHON=sklearn_python, TRAINER_FRAMEWORK="sklearn", TRAINER_CONFIG=config
        )
        run = program(**environ)
        plane.wait_for(lambda: plane.points)
        plane.command = "checkpoint_and_stop"

        assert run.wait() == 143, run.output
        assert plane.newest_checkpoint() is not None
        [done] = plane.dones
        assert (done["outcome"], done["errorClass"]) == ("failed", "transient")

    def test_learns_from_a_table_and_goes_on_from_a_model(
        self, plane: ControlPlane, bucket: Bucket, program: Start, sklearn_python: str
    ) -> None:
        rows = [f"{i % 7},{i % 3},{'yes' if i % 7 > 3 else 'no'}" for i in range(210)]
        bucket.write("datasets/d1/table.csv", "\n".join(["a,b,answer", *rows]).encode())
        environ = plane.environ(
            PYTHON=sklearn_python,
            TRAINER_FRAMEWORK="sklearn",
            DATASET_URI=bucket.uri("datasets/d1/"),
            TRAINER_CONFIG=_config(epochs=20, label="answer", batch_size=16),
        )
        assert program(**environ).wait() == 0
        [model] = [a for a in plane.dones[0]["artifacts"] if a["name"].endswith("joblib")]
        assert plane.dones[0]["metrics"]["val_accuracy"] > 0.9

        plane.attempt = 2
        again = plane.environ(
            **{key: environ[key] for key in ("PYTHON", "TRAINER_FRAMEWORK", "DATASET_URI")},
            MODEL_URI=model["uri"],
            TRAINER_CONFIG=_config(epochs=1, label="answer", batch_size=16),
        )
        assert program(**again).wait() == 0
        assert plane.dones[1]["metrics"]["loss"] <= plane.dones[0]["metrics"]["loss"]

    def test_leaves_a_model_that_scikit_learn_loads_alone(
        self, plane: ControlPlane, bucket: Bucket, program: Start, sklearn_python: str
    ) -> None:
        environ = plane.environ(
            PYTHON=sklearn_python, TRAINER_FRAMEWORK="sklearn", TRAINER_CONFIG=_config(epochs=1)
        )
        run = program(**environ)
        assert run.wait() == 0
        model = run.log.with_name("model.joblib")
        model.write_bytes(bucket.read(plane.key("artifacts/model/model.joblib")))

        use = (
            "import sys; sys.modules['eventrain_trainer'] = None; import joblib;"
            f"print(len(joblib.load({str(model)!r}).predict([[0] * 64])))"
        )
        assert subprocess.check_output([sklearn_python, "-c", use]).strip() == b"1"

    def test_names_every_hyperparameter_that_is_wrong(
        self, plane: ControlPlane, program: Start, sklearn_python: str
    ) -> None:
        environ = plane.environ(
            PYTHON=sklearn_python,
            TRAINER_FRAMEWORK="sklearn",
            TRAINER_CONFIG=_config(epochs=0, lr="fast"),
        )
        assert program(**environ).wait() == 1
        [done] = plane.dones
        assert done["errorClass"] == "user"
        assert "epochs" in done["message"]
        assert "learning_rate" in done["message"]
