"""MLflow's own client in a program that the runner runs, against a control plane that misbehaves."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.integration.trainer.bucket import Bucket
from tests.integration.trainer.control_plane import ControlPlane
from tests.integration.trainer.program import Program

Start = Callable[..., Program]
PATIENCE = 180

pytestmark = pytest.mark.timeout(PATIENCE + 60)


@pytest.fixture
def start(program: Start, plane: ControlPlane, sklearn_python: str) -> Callable[..., Program]:
    """Runs a script where scikit-learn and MLflow's client are."""

    def run(script: str, **more: str) -> Program:
        return program(script, **plane.environ(PYTHON=sklearn_python, **more))

    return run


def ops(plane: ControlPlane, op: str | None = None) -> list[dict[str, Any]]:
    told = [each for payload in plane.of_type("mlflow") for each in payload["ops"]]
    return [each for each in told if op in (None, each["op"])]


def merged(plane: ControlPlane, op: str, run: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for each in ops(plane, op):
        if each["run"] == run:
            found |= each[op]
    return found


def main_run(plane: ControlPlane) -> str:
    [found] = [each["run"] for each in ops(plane, "run") if each["main"]]
    return found


def series(plane: ControlPlane, name: str) -> list[tuple[Any, Any]]:
    return [(p["step"], p["value"]) for p in plane.points if p["name"] == name]


class TestAPlainScript:
    AUTOLOGGED = """
        import mlflow
        from sklearn.datasets import load_iris
        from sklearn.linear_model import LogisticRegression
        mlflow.sklearn.autolog()
        rows, labels = load_iris(return_X_y=True)
        LogisticRegression(max_iter=200, C=0.5).fit(rows, labels)
    """

    def test_with_autologging_becomes_metrics_parameters_artifacts_and_a_model(
        self, plane: ControlPlane, bucket: Bucket, start: Callable[..., Program]
    ) -> None:
        run = start(self.AUTOLOGGED)

        assert run.wait(PATIENCE) == 0, run.output
        [done] = plane.dones
        main = main_run(plane)
        assert done["mlflowRunId"] == main
        assert done["metrics"]["training_accuracy_score"] > 0.9
        assert merged(plane, "params", main)["C"] == "0.5"
        assert merged(plane, "tags", main)["estimator_name"] == "LogisticRegression"
        assert [each["status"] for each in ops(plane, "status")] == ["FINISHED"]
        names = [each["name"] for each in done["artifacts"]]
        assert "model/MLmodel" in names
        assert f"mlflow/{main}/training_confusion_matrix.png" in names
        for each in done["artifacts"]:
            assert len(bucket.read(each["uri"].removeprefix(bucket.uri("")))) == each["size"]
        [model] = ops(plane, "model")
        assert (model["run"], model["name"]) == (main, "model")
        assert ops(plane, "model_status")[-1]["status"] == "READY"
        assert ops(plane, "inputs")[0]["datasets"][0]["dataset"]["name"] == "dataset"

    def test_with_a_grid_search_becomes_a_run_and_its_children(
        self, plane: ControlPlane, start: Callable[..., Program]
    ) -> None:
        script = """
            import mlflow
            from sklearn.datasets import load_iris
            from sklearn.model_selection import GridSearchCV
            from sklearn.tree import DecisionTreeClassifier
            mlflow.sklearn.autolog(max_tuning_runs=None)
            rows, labels = load_iris(return_X_y=True)
            search = GridSearchCV(DecisionTreeClassifier(), {"max_depth": [1, 2, 3]}, n_jobs=2)
            search.fit(rows, labels)
        """
        run = start(script)

        assert run.wait(PATIENCE) == 0, run.output
        main = main_run(plane)
        children = [each for each in ops(plane, "run") if each["parent"] == main]
        depths = [merged(plane, "params", each["run"])["max_depth"] for each in children]
        assert sorted(depths) == ["1", "2", "3"]
        told = {each["run"] for each in ops(plane, "metrics")}
        assert told == {each["run"] for each in children}
        ended = {each["run"]: each["status"] for each in ops(plane, "status")}
        assert set(ended.values()) == {"FINISHED"}
        assert set(ended) == {main, *told}
        assert merged(plane, "params", main)["best_max_depth"] in depths
        assert "best_cv_score" in {point["name"] for point in plane.points}


class TestTheClient:
    def test_logs_searches_and_reads_back(
        self, plane: ControlPlane, start: Callable[..., Program]
    ) -> None:
        script = """
            import math, mlflow
            from mlflow import MlflowClient
            from mlflow.exceptions import MlflowException
            client = MlflowClient()
            mlflow.set_experiment("mine")
            with mlflow.start_run(run_name="outer", tags={"team": "a"}) as outer:
                for step in range(5):
                    mlflow.log_metric("loss", 1 / (step + 1), step=step)
                client.log_metric(outer.info.run_id, "odd", math.nan, timestamp=1767225600123, step=7)
                client.log_metric(outer.info.run_id, "odd", math.inf, timestamp=1767225600124, step=8)
                mlflow.log_params({"lr": 0.1, "depth": 3})
                mlflow.log_param("lr", 0.1)
                try:
                    mlflow.log_param("lr", 0.2)
                    raise SystemExit("a parameter was changed")
                except MlflowException as error:
                    assert error.error_code == "INVALID_PARAMETER_VALUE", error.error_code
                    assert "Changing param values is not allowed" in str(error), error
                mlflow.set_tag("gone", "x")
                mlflow.delete_tag("gone")
                for number in range(3):
                    with mlflow.start_run(nested=True, run_name=f"inner-{number}") as inner:
                        mlflow.log_metrics({"score": number}, step=number)
                        mlflow.log_param("number", number)
                        client.log_batch(inner.info.run_id, metrics=[
                            mlflow.entities.Metric("many", i, 1767225600000 + i, i) for i in range(700)])
            told = client.get_run(outer.info.run_id)
            assert told.info.status == "FINISHED" and told.info.run_name == "outer"
            assert told.data.params == {"lr": "0.1", "depth": "3"}, told.data.params
            assert "gone" not in told.data.tags and told.data.tags["team"] == "a"
            assert [m.value for m in client.get_metric_history(outer.info.run_id, "loss")][:2] == [1, 0.5]
            assert math.isinf(told.data.metrics["odd"])
            runs = client.search_runs([told.info.experiment_id],
                f"metrics.score > 0 and tags.`mlflow.parentRunId` = '{outer.info.run_id}'",
                order_by=["metrics.score DESC"])
            assert [run.data.metrics["score"] for run in runs] == [2, 1], runs
            frame = mlflow.search_runs(experiment_names=["mine"], filter_string="params.number = '1'")
            assert list(frame["tags.mlflow.runName"]) == ["inner-1"], frame
            assert [e.name for e in client.search_experiments(filter_string="name LIKE 'mi%'")] == ["mine"]
            try:
                client.get_run("0" * 32)
                raise SystemExit("there is no such run")
            except MlflowException as error:
                assert error.error_code == "RESOURCE_DOES_NOT_EXIST"
            try:
                mlflow.log_metric("a?b", 1)
                raise SystemExit("a bad name was taken")
            except MlflowException as error:
                assert error.error_code == "INVALID_PARAMETER_VALUE", error.error_code
            mlflow.end_run()
            print("all of it")
        """
        run = start(script)

        assert run.wait(PATIENCE) == 0, run.output
        assert "all of it" in run.output
        main = main_run(plane)
        assert series(plane, "loss") == [(step, 1 / (step + 1)) for step in range(5)]
        odd = [point for point in plane.points if point["name"] == "odd"]
        assert [(p["step"], p["value"]) for p in odd] == [(7, "NaN"), (8, "Infinity")]
        assert [p["time"][-5:] for p in odd] == [".123Z"[-5:], ".124Z"]
        assert merged(plane, "params", main) == {"lr": "0.1", "depth": "3"}
        first = next(each for each in ops(plane, "run") if each["main"])
        assert (first["name"], first["experiment"]) == ("outer", "mine")
        inner = [each["run"] for each in ops(plane, "run") if each["parent"] == main]
        for run_id in inner:
            told = [
                m
                for each in ops(plane, "metrics")
                if each["run"] == run_id
                for m in each["metrics"]
                if m[0] == "many"
            ]
            assert [(m[1], m[2], m[3]) for m in told] == [
                (i, 1767225600000 + i, i) for i in range(700)
            ]

    def test_keeps_files_and_models_and_reads_them_back(
        self, plane: ControlPlane, bucket: Bucket, start: Callable[..., Program]
    ) -> None:
        script = """
            import os, pathlib
            os.chdir(os.environ["TMPDIR"])
            import mlflow
            from sklearn.linear_model import LinearRegression
            pathlib.Path("files/deep").mkdir(parents=True, exist_ok=True)
            pathlib.Path("files/empty.txt").write_bytes(b"")
            pathlib.Path("files/deep/big.bin").write_bytes(os.urandom(3_000_000))
            with mlflow.start_run() as run:
                mlflow.log_artifacts("files", "data")
                mlflow.log_text("one", "note.txt")
                mlflow.log_text("two", "note.txt")
                mlflow.log_dict({"a": 1}, "a b/ü.json")
                model = LinearRegression().fit([[0], [1]], [0, 2])
                logged = mlflow.sklearn.log_model(
                    model, name="line", registered_model_name="lines", input_example=[[1]],
                    pip_requirements=["scikit-learn"])
                client = mlflow.MlflowClient()
                names = sorted(f.path for f in client.list_artifacts(run.info.run_id))
                assert names == ["a b", "data", "line", "note.txt"] or names == ["a b", "data", "note.txt"], names
                found = client.download_artifacts(run.info.run_id, "data/deep/big.bin", ".")
                assert pathlib.Path(found).read_bytes() == pathlib.Path("files/deep/big.bin").read_bytes()
                assert mlflow.artifacts.load_text(run.info.artifact_uri + "/note.txt") == "two"
                data = mlflow.data.from_numpy(__import__("numpy").zeros((3, 2)), name="zeros")
                mlflow.log_input(data, context="training")
            for uri in (logged.model_uri, f"models:/{logged.model_id}", f"runs:/{run.info.run_id}/line",
                        "models:/lines/1", "models:/lines/latest"):
                assert mlflow.sklearn.load_model(uri).predict([[2]])[0] > 3.9, uri
            client.set_registered_model_alias("lines", "best", 1)
            assert mlflow.pyfunc.load_model("models:/lines@best").predict([[2]])[0] > 3.9
            version = client.get_model_version("lines", "1")
            assert version.run_id == run.info.run_id and version.status == "READY"
            print("all of it")
        """
        run = start(script)

        assert run.wait(PATIENCE) == 0, run.output
        assert "all of it" in run.output
        main = main_run(plane)
        [done] = plane.dones
        left = {each["name"]: each for each in done["artifacts"]}
        assert left[f"mlflow/{main}/data/empty.txt"]["size"] == 0
        assert bucket.read(plane.key(f"artifacts/mlflow/{main}/note.txt")) == b"two"
        assert f"mlflow/{main}/a b/ü.json" in left
        [model] = ops(plane, "model")
        root = f"mlflow/models/{model['model']}/"
        assert left["model/MLmodel"]["uri"] == left[root + "MLmodel"]["uri"]
        assert merged(plane, "tags", main)["eventrain.registered_as"] == "lines"
        assert ops(plane, "inputs")[0]["datasets"][0]["dataset"]["name"] == "zeros"


class TestFaults:
    STEADY = """
        import time, mlflow
        with mlflow.start_run():
            mlflow.log_param("lr", 0.1)
            for step in range(60):
                mlflow.log_metric("loss", step, step=step)
                with mlflow.start_run(nested=True):
                    mlflow.log_metrics({"score": step}, step=step)
                mlflow.log_text(str(step), "last.txt")
                print("step", step, flush=True)
                time.sleep(0.05)
    """

    def test_a_control_plane_that_was_away_hears_all_in_order_and_once(
        self, plane: ControlPlane, bucket: Bucket, start: Callable[..., Program]
    ) -> None:
        run = start(self.STEADY, DONE_WAIT_SECONDS="60")
        plane.wait_for(lambda: plane.points, PATIENCE)
        plane.mode = "away"
        plane.wait_for(lambda: "step 30" in run.output, PATIENCE)
        plane.mode = "up"

        assert run.wait(PATIENCE) == 0, run.output
        main = main_run(plane)
        assert series(plane, "loss") == [(step, step) for step in range(60)]
        scores = [m for each in ops(plane, "metrics") for m in each["metrics"]]
        assert [(m[1], m[3]) for m in scores] == [(step, step) for step in range(60)]
        children = [each["run"] for each in ops(plane, "run") if each["parent"] == main]
        assert len(set(children)) == len(children) == 60
        assert merged(plane, "params", main) == {"lr": "0.1"}
        assert bucket.read(plane.key(f"artifacts/mlflow/{main}/last.txt")) == b"59"

    def test_one_that_never_answers_is_waited_for_by_no_call(
        self, plane: ControlPlane, bucket: Bucket, start: Callable[..., Program]
    ) -> None:
        plane.mode = "silent"
        script = """
            import time, mlflow
            with mlflow.start_run():
                mlflow.log_metric("first", 0)
                began = time.monotonic()
                for step in range(300):
                    mlflow.log_metric("loss", step, step=step)
                    mlflow.set_tag("at", step)
                print("took", time.monotonic() - began, flush=True)
        """
        run = start(script, DONE_WAIT_SECONDS="3", CALLBACK_TIMEOUT_SECONDS="30")

        assert run.wait(PATIENCE) == 0, run.output
        took = float(run.output.partition("took ")[2].split()[0])
        assert took < 25, "the calls waited for the control plane"
        result = json.loads(bucket.read(plane.key("result.json")))
        told = [
            op for event in result["events"] if event["type"] == "mlflow"
            for op in event["payload"]["ops"]
        ]  # fmt: skip
        tags = [op["tags"]["at"] for op in told if op["op"] == "tags" and "at" in op["tags"]]
        assert tags[-1] == "299"
        assert [op["status"] for op in told if op["op"] == "status"][-1] == "FINISHED"
        points = [point for beat in result["heartbeats"] for point in beat.get("points", [])]
        assert [p["step"] for p in points if p["name"] == "loss"][-1] == 299

    @pytest.mark.parametrize(
        ("ending", "status", "code"),
        [("os._exit(3)", "FAILED", 3), ("time.sleep(1000)", "KILLED", 143)],
    )
    def test_runs_left_open_end_as_their_program_did(
        self,
        plane: ControlPlane,
        start: Callable[..., Program],
        ending: str,
        status: str,
        code: int,
    ) -> None:
        script = f"""
            import os, time, mlflow
            mlflow.start_run()
            mlflow.log_metric("loss", 1)
            print("begun", flush=True)
            {ending}
        """
        run = start(script)
        plane.wait_for(lambda: "begun" in run.output, PATIENCE)
        if status == "KILLED":
            run.terminate()

        assert run.wait(PATIENCE) == code
        assert [each["status"] for each in ops(plane, "status")] == [status]
        assert ops(plane, "status")[0]["endTime"]
        assert plane.dones[0]["mlflowRunId"] == main_run(plane)

    def test_several_processes_and_threads_are_heard_at_once(
        self, plane: ControlPlane, start: Callable[..., Program]
    ) -> None:
        script = """
            import multiprocessing, mlflow

            def train(parent, number):
                client = mlflow.MlflowClient()
                run = client.create_run("1", tags={"mlflow.parentRunId": parent})
                for step in range(50):
                    client.log_metric(run.info.run_id, "loss", number, step=step)
                client.set_terminated(run.info.run_id)

            if __name__ == "__main__":
                with mlflow.start_run() as parent:
                    mlflow.config.enable_async_logging()
                    for step in range(200):
                        mlflow.log_metric("main", step, step=step)
                    several = multiprocessing.get_context("spawn")
                    each = [several.Process(target=train, args=(parent.info.run_id, n))
                            for n in range(2)]
                    [one.start() for one in each]
                    [one.join() for one in each]
                    assert all(one.exitcode == 0 for one in each)
        """
        run = start(script)

        assert run.wait(PATIENCE) == 0, run.output
        assert sorted(series(plane, "main")) == [(step, step) for step in range(200)]
        told: dict[str, list[int]] = {}
        for each in ops(plane, "metrics"):
            told.setdefault(each["run"], []).extend(m[3] for m in each["metrics"])
        assert [sorted(steps) for steps in told.values()] == [list(range(50))] * 2
