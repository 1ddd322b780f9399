import copy
from typing import Any

import pytest
from kubernetes.aio.client import ApiException

from tests.integration.infra.cluster.making import NAMESPACE
from tests.integration.infra.cluster.serving import Served, job, secret

_JOBS = f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs"
_SECRETS = f"/api/v1/namespaces/{NAMESPACE}/secrets"
_HELD = {"suspend": True}


def _changed(path: str, value: Any) -> Any:
    body = job("train-1", "", spec=_HELD)
    place = body
    *steps, last = path.split(".")
    for step in steps:
        place = place[int(step) if step.isdecimal() else step]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return body


class TestCreate:
    @pytest.mark.parametrize(
        ("path", "value", "field"),
        [
            ("spec.template.spec.restartPolicy", None, "spec.template.spec.restartPolicy"),
            ("spec.template.spec.restartPolicy", "Always", "spec.template.spec.restartPolicy"),
            ("spec.template.spec.containers", [], "spec.template.spec.containers"),
            ("metadata.name", "Not_A_Name", "metadata.name"),
            ("metadata.name", "a" * 64, "spec.template.labels"),
            ("metadata.labels", {"a key": "x"}, "metadata.labels"),
            ("metadata.labels", {"key": "x" * 64}, "metadata.labels"),
            ("spec.backoffLimit", -1, "spec.backoffLimit"),
            (
                "spec.template.spec.containers.0.volumeMounts",
                [{"name": "none", "mountPath": "/x"}],
                "spec.template.spec.containers[0].volumeMounts[0].name",
            ),
            (
                "spec.template.spec.containers.0.resources",
                {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}},
                "spec.template.spec.containers[0].resources.requests",
            ),
        ],
    )
    async def test_names_the_field_that_is_against_a_rule(
        self, served: Served, path: str, value: Any, field: str
    ) -> None:
        answer = await served.http.post(_JOBS, json=_changed(path, value))

        status = answer.json()
        assert (answer.status_code, status["reason"], status["kind"]) == (422, "Invalid", "Status")
        assert [each["field"] for each in status["details"]["causes"]] == [field]
        assert (await served.http.get(_JOBS)).json()["items"] == []

    @pytest.mark.parametrize(
        ("path", "value"),
        [
            ("spec.template.spec.containers.0.env", [{"name": "A", "value": 1}]),
            ("spec.template.spec.containers.0.command", ["python", 1]),
            ("spec.template.spec.containers", "text"),
            ("spec.template.spec.containers.0.resources", {"limits": {"cpu": "many"}}),
            ("spec.activeDeadlineSeconds", "60"),
            ("metadata.labels", {"number": 1}),
            ("kind", "Pod"),
        ],
    )
    async def test_cannot_read_a_value_of_the_wrong_kind(
        self, served: Served, path: str, value: Any
    ) -> None:
        answer = await served.http.post(_JOBS, json=_changed(path, value))

        assert (answer.status_code, answer.json()["reason"]) == (400, "BadRequest")

    async def test_a_name_is_taken_once(self, served: Served) -> None:
        await served.run("train-1", "", spec=_HELD)

        with pytest.raises(ApiException) as caught:
            await served.run("train-1", "", spec=_HELD)

        assert caught.value.status == 409
        assert '"reason": "AlreadyExists"' in caught.value.body.replace('":"', '": "')

    async def test_a_namespace_must_be_there(self, served: Served) -> None:
        answer = await served.http.post(_SECRETS.replace(NAMESPACE, "none"), json=secret("s"))

        assert answer.status_code == 404
        assert answer.json()["message"] == 'namespaces "none" not found'

    async def test_secret_data_is_base64(self, served: Served) -> None:
        body = {"metadata": {"name": "s"}, "data": {"key": "?"}}

        assert (await served.http.post(_SECRETS, json=body)).status_code == 400

    async def test_a_body_is_bounded_json(self, served: Served) -> None:
        assert (await served.http.post(_SECRETS, content=b"{")).status_code == 400
        assert (await served.http.post(_SECRETS, content=b"[1]")).status_code == 400
        assert (await served.http.post(_SECRETS, content=b" " * 4_000_000)).status_code == 413

    async def test_a_dry_run_changes_nothing(self, served: Served) -> None:
        answer = await served.http.post(f"{_JOBS}?dryRun=All", json=job("train-1", ""))

        assert answer.status_code == 201
        assert (await served.http.get(_JOBS)).json()["items"] == []


class TestUpdate:
    async def test_the_template_of_a_job_is_immutable(self, served: Served) -> None:
        await served.run("train-1", "import time; time.sleep(60)")
        image = [{"name": "trainer", "image": "eventrain/other:1"}]

        with pytest.raises(ApiException) as caught:
            await served.batch.patch_namespaced_job(
                "train-1", NAMESPACE, {"spec": {"template": {"spec": {"containers": image}}}}
            )

        assert caught.value.status == 422
        assert "spec.template: Invalid value: field is immutable" in caught.value.body

    async def test_what_may_change_later_does(self, served: Served) -> None:
        await served.run("train-1", "", spec=_HELD)
        changes = [
            {"op": "add", "path": "/spec/ttlSecondsAfterFinished", "value": 3600},
            {"op": "replace", "path": "/spec/activeDeadlineSeconds", "value": 60},
        ]
        with pytest.raises(ApiException):
            await served.batch.patch_namespaced_job("train-1", NAMESPACE, changes)

        await served.batch.patch_namespaced_job("train-1", NAMESPACE, changes[:1])

        found = await served.batch.read_namespaced_job("train-1", NAMESPACE)
        assert (found.spec.ttl_seconds_after_finished, found.metadata.generation) == (3600, 2)

    async def test_an_older_version_conflicts(self, served: Served) -> None:
        made = (await served.http.post(_SECRETS, json=secret("s", key="1"))).json()
        newer = copy.deepcopy(made) | {"data": {"key": "Mg=="}}
        assert (await served.http.put(f"{_SECRETS}/s", json=newer)).status_code == 200

        answer = await served.http.put(f"{_SECRETS}/s", json=made)

        assert (answer.status_code, answer.json()["reason"]) == (409, "Conflict")

    async def test_a_precondition_protects_a_successor(self, served: Served) -> None:
        await served.http.post(_SECRETS, json=secret("s"))

        answer = await served.http.request(
            "DELETE", f"{_SECRETS}/s", json={"preconditions": {"uid": "of-another"}}
        )

        assert answer.status_code == 409
        assert (await served.http.get(f"{_SECRETS}/s")).status_code == 200


class TestAccess:
    @pytest.mark.parametrize("header", ["", "Bearer wrong", "Basic YTpi"])
    async def test_no_request_passes_without_the_token(self, served: Served, header: str) -> None:
        answer = await served.http.get(_JOBS, headers={"authorization": header})

        assert (answer.status_code, answer.json()["reason"]) == (401, "Unauthorized")

    async def test_what_is_not_there_is_a_status(self, served: Served) -> None:
        missing = (await served.http.get(f"{_JOBS}/none")).json()
        assert missing["message"] == 'jobs.batch "none" not found'
        assert (await served.http.get("/apis/apps/v1/deployments")).json()["code"] == 404
        assert (await served.http.put(_JOBS, json={})).json()["reason"] == "MethodNotAllowed"
