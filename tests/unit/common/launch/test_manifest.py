from dataclasses import replace
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

import kubernetes_validate
import msgspec
import pytest

from common.jobs.resolved import Resolved
from common.launch import manifest
from common.launch.manifest import Addresses, Trainee

JOB = UUID("11111111-1111-4111-8111-111111111111")
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
ADDRESSES = Addresses(
    "http://gate",
    "http://beat",
    "http://event",
    "http://done",
    "http://mlflow",
    timedelta(seconds=10),
)
CPU: dict[str, Any] = {
    "secrets": {},
    "framework": "sklearn",
    "image": "eventrain/trainer-sklearn:0.1.0",
    "command": ["python", "-m", "eventrain_trainer", "run"],
    "gpu": None,
    "cpu": "2",
    "memory": "4Gi",
    "sharedMemory": None,
    "terminationGraceSeconds": 60,
    "datasetUri": "s3://b/datasets/d/",
    "modelUri": None,
    "checkpoint": None,
}
GPU = CPU | {
    "gpu": {
        "type": "nvidia-t4",
        "resourceName": "nvidia.com/gpu",
        "count": 2,
        "nodeSelector": {"gpu": "t4"},
        "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
    },
    "sharedMemory": "8Gi",
}

MINE = {"name": "mine", "key": "key"}
SECRET = {"secrets": {"KEY": MINE}}


def trainee_of(resolved: dict[str, Any] | None = None, **request: Any) -> Trainee:
    return Trainee(
        job_id=JOB,
        project_id=UUID(int=8),
        attempt=2,
        trace_id=TRACEPARENT.split("-")[1],
        traceparent=TRACEPARENT,
        dataset_id=UUID(int=7),
        job_type="from_scratch",
        request=request,
        resolved=cast("Resolved", resolved or CPU),
        model_name="digits",
        model_version="3",
        checkpoint=None,
        left=timedelta(minutes=60),
        start_allowance=timedelta(minutes=15),
    )


def job_of(trainee: Trainee) -> dict[str, Any]:
    return manifest.job(trainee, ADDRESSES, "trainers")


def pod_of(trainee: Trainee) -> dict[str, Any]:
    return job_of(trainee)["spec"]["template"]["spec"]


def env_of(trainee: Trainee) -> dict[str, Any]:
    env = pod_of(trainee)["containers"][0]["env"]
    assert len({each["name"] for each in env}) == len(env)
    return {each["name"]: each.get("value", each.get("valueFrom")) for each in env}


class TestJob:
    @pytest.mark.parametrize("resolved", [CPU, GPU])
    def test_is_valid(self, resolved: dict[str, Any]):
        trainee = trainee_of(resolved | SECRET, env={"A": "1"})
        kubernetes_validate.validate(job_of(trainee), "1.33", strict=True)

    def test_carries_its_identity(self):
        job = job_of(trainee_of())
        labels = {
            "app": "trainer",
            "job-id": str(JOB),
            "attempt": "2",
            "trace-id": "0af7651916cd43dd8448eb211c80319c",
        }
        assert job["metadata"]["name"] == f"train-{JOB}-2"
        assert job["metadata"]["labels"] == labels
        assert job["spec"]["template"]["metadata"]["labels"] == labels

    def test_waits_suspended_in_a_queue_where_there_is_one(self):
        job = manifest.job(trainee_of(), ADDRESSES, "trainers", queue="gpus")
        kubernetes_validate.validate(job, "1.33", strict=True)
        assert job["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "gpus"
        assert job["spec"]["suspend"] is True
        assert "suspend" not in job_of(trainee_of())["spec"]

    def test_runs_once_and_has_no_time_to_live(self):
        spec = job_of(trainee_of())["spec"]
        assert spec["backoffLimit"] == 0
        assert spec["template"]["spec"]["restartPolicy"] == "Never"
        assert not {"ttlSecondsAfterFinished", "activeDeadlineSeconds"} & spec.keys()

    def test_has_its_deadline_on_the_pod_with_time_to_start(self):
        assert pod_of(trainee_of())["activeDeadlineSeconds"] == 75 * 60
        spent = replace(trainee_of(), left=timedelta(), start_allowance=timedelta())
        assert pod_of(spent)["activeDeadlineSeconds"] == 1

    def test_gives_its_pod_the_grace_to_save(self):
        assert pod_of(trainee_of())["terminationGracePeriodSeconds"] == 60

    def test_trusts_its_pod_with_nothing(self):
        pod = pod_of(trainee_of())
        container = pod["containers"][0]
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}

    def test_asks_for_gpus_where_they_are_offered(self):
        pod = pod_of(trainee_of(GPU))
        resources = pod["containers"][0]["resources"]
        assert resources["limits"] == {"cpu": "2", "memory": "4Gi", "nvidia.com/gpu": "2"}
        assert resources["requests"] == resources["limits"]
        assert (pod["nodeSelector"], len(pod["tolerations"])) == ({"gpu": "t4"}, 1)
        shared = next(v for v in pod["volumes"] if v["name"] == "shared-memory")
        assert shared["emptyDir"] == {"medium": "Memory", "sizeLimit": "8Gi"}


class TestEnvironment:
    def test_is_what_the_contract_says(self):
        env = env_of(trainee_of(hyperparameters={"epochs": 5}))
        path = f"/v1/jobs/{JOB}"
        assert (
            env
            | {
                "JOB_ID": str(JOB),
                "ATTEMPT": "2",
                "BACKEND_BASE_URL": "http://gate",
                "HEARTBEAT_URL": f"http://beat{path}/heartbeat",
                "EVENT_URL": f"http://event{path}/event",
                "DONE_URL": f"http://done{path}/done",
                "ADDRESSES_URL": f"http://done{path}/addresses",
                "CALLBACK_TOKEN_FILE": "/var/run/eventrain/token",
                "STORAGE_TYPE": "s3",
                "DATASET_ID": str(UUID(int=7)),
                "DATASET_URI": "s3://b/datasets/d/",
                "MODEL_NAME": "digits",
                "EPOCHS": "5",
                "MLFLOW_TRACKING_URI": "http://mlflow",
                "MLFLOW_EXPERIMENT_NAME": f"job-{JOB}",
            }
            == env
        )
        for name, key in (("CALLBACK_TOKEN", "token"), ("RESULT_PUT_URL", "result-put-url")):
            assert env[name] == {"secretKeyRef": {"name": f"train-{JOB}-2", "key": key}}
        assert {"CHECKPOINT_URI", "MODEL_URI"} & env.keys() == set()

    def test_carries_the_trace_on(self):
        env = env_of(trainee_of())
        _, trace_id, span, _ = env["TRACEPARENT"].split("-")
        assert env["TRACE_ID"] == trace_id == TRACEPARENT.split("-")[1]
        assert span != TRACEPARENT.split("-")[2]

    def test_tells_the_trainer_how_to_train(self):
        trainer = {"args": ["--fast"], "entrypoint": "train.py"}
        env = env_of(trainee_of(hyperparameters={"lr": 0.1}, trainer=trainer))
        assert msgspec.json.decode(env["TRAINER_CONFIG"]) == {
            "jobType": "from_scratch",
            "framework": "sklearn",
            "hyperparameters": {"lr": 0.1},
            "output": {"modelName": "digits", "modelVersion": "3"},
            "checkpoint": None,
            "args": ["--fast"],
            "entrypoint": "train.py",
        }

    def test_names_the_checkpoint_to_go_on_from(self):
        checkpoint = {"uri": "s3://b/c", "sha256": "0", "size": 1, "step": 1, "epoch": 1}
        trainee = replace(trainee_of(), checkpoint=cast("Any", checkpoint))
        assert env_of(trainee)["CHECKPOINT_URI"] == "s3://b/c"

    def test_lets_a_user_override_nothing_of_ours(self):
        named = dict.fromkeys(("DONE_URL", "RESULT_PUT_URL", "BOTH"), MINE)
        trainee = trainee_of(
            CPU | {"secrets": named},
            env={"JOB_ID": "x", "CALLBACK_TOKEN": "x", "MINE": "1", "BOTH": "plain"},
        )
        env = env_of(trainee)
        assert (env["JOB_ID"], env["MINE"]) == (str(JOB), "1")
        assert env["DONE_URL"].startswith("http://done")
        assert env["BOTH"] == {"secretKeyRef": {"name": "mine", "key": "key"}}
        for name in ("CALLBACK_TOKEN", "RESULT_PUT_URL"):
            assert env[name]["secretKeyRef"]["name"] == f"train-{JOB}-2"

    def test_knows_only_the_secrets_that_the_submission_resolved(self):
        trainee = trainee_of(secrets={"TOKEN": f"train-{JOB}-1/token"})
        assert "TOKEN" not in env_of(trainee)


class TestSecret:
    def test_dies_with_its_job(self):
        job = job_of(trainee_of())
        job["metadata"]["uid"] = "uid"
        secret = manifest.secret(job, token="t", result_put_url="http://s3/x")
        kubernetes_validate.validate(secret, "1.33", strict=True)
        (owner,) = secret["metadata"]["ownerReferences"]
        assert (owner["kind"], owner["uid"]) == ("Job", "uid")
