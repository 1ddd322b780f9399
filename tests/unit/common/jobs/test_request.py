"""How a job request is read: as far as it can be."""

from typing import Any
from uuid import uuid4

import pytest

from common.errors import Invalid
from common.jobs import request


def violations(raw: Any) -> dict[str, str]:
    return {each.field: each.reason for each in request.read(raw)[1]}


class TestRead:
    def test_names_every_field_of_a_wrong_shape_as_it_was_sent(self) -> None:
        found = violations(
            {
                "jobType": "x",
                "modelId": "7",
                "labels": {"a b": "c", "ok": "v", "n": 1},
                "resourceProfile": {"gpuCount": "2", "maxDuration": 1441, "memory": "1 GB"},
                "trainer": {"args": ["a", 3], "source": {"uri": "s3://x", "digest": "d"}},
                "env": {"1": "x"},
                "hyperparameters": [],
                "name": "a\n",
                "retryPolicy": {"maxRetries": 11, "backoffSeconds": 901},
                "checkpoint": {},
                "notifications": {"onStart": ["http://a", 1]},
                "secrets": {"TOKEN": "hf_thisisavalue"},
                "stallPolicy": "ignore",
                "trainJobSpec": {"method": "dpo", "hyperparams": {"lr": 0}},
            }
        )
        assert found.keys() == {
            *("jobType", "modelId", "labels.a b", "labels.n", "name", "env.1", "hyperparameters"),
            *("resourceProfile.gpuCount", "resourceProfile.maxDuration", "resourceProfile.memory"),
            *("trainer.args.1", "trainer.source.digest", "checkpoint.jobId", "stallPolicy"),
            *("retryPolicy.maxRetries", "retryPolicy.backoffSeconds", "notifications.onStart.1"),
            *("secrets.TOKEN", "trainJobSpec.method", "trainJobSpec.hyperparams.lr"),
        }

    def test_keeps_what_could_be_read_beside_what_could_not(self) -> None:
        read, _ = request.read({"labels": {"ok": "v", "a b": "c"}, "name": 5, "useGpu": False})
        assert (read.labels, read.name, read.use_gpu) == ({"ok": "v"}, None, False)

    def test_null_is_the_same_as_left_out(self) -> None:
        fields = dict.fromkeys(request.describe()["properties"])
        assert request.read(fields) == (request.JobRequest(), [])

    def test_ignores_what_it_does_not_know(self) -> None:
        assert violations({"colour": "red", "resourceProfile": {"spot": True}}) == {}

    def test_types_are_exact(self) -> None:
        found = violations({"useGpu": "true", "resourceProfile": {"gpuCount": True}})
        assert found.keys() == {"useGpu", "resourceProfile.gpuCount"}

    @pytest.mark.parametrize("raw", [None, [], "job", 5, True])
    def test_what_is_no_object_is_invalid_as_a_whole(self, raw: Any) -> None:
        with pytest.raises(Invalid):
            request.read(raw)

    def test_what_was_stored_is_read_again_alike(self) -> None:
        raw = {
            "jobType": "finetune",
            "modelId": str(uuid4()),
            "resourceProfile": {"cpuCores": 1, "memory": "1Gi", "maxDuration": 5},
            "trainer": {"framework": "sklearn", "args": ["--fast"]},
            "checkpoint": {"jobId": str(uuid4())},
        }
        stored = request.read(raw)[0].model_dump(mode="json", by_alias=True)
        assert request.read(stored) == (request.read(raw)[0], [])
        assert stored["resourceProfile"]["cpuCores"] == 1

    def test_a_deep_mistake_in_every_entry_of_a_list_ends(self) -> None:
        found = violations({"trainer": {"args": list(range(100))}})
        assert len(found) == 100


class TestProjectOf:
    @pytest.mark.parametrize("raw", [None, [], {}, {"projectId": 5}, {"projectId": "x"}])
    def test_is_none_where_nothing_can_be_read(self, raw: Any) -> None:
        assert request.project_of(raw) is None


class TestDescribe:
    def test_demands_what_every_job_needs(self) -> None:
        described = request.describe()
        assert described["required"] == ["jobType", "resourceProfile"]
        assert "$ref" not in str(described)
