import asyncio
import time
from typing import Any

import httpx
import pytest
from kubernetes.aio.client import ApiException

from infra.local.cluster.resource import JOBS
from tests.integration.infra.cluster.making import NAMESPACE
from tests.integration.infra.cluster.serving import Served, job, secret

_SECRETS = f"/api/v1/namespaces/{NAMESPACE}/secrets"
_JOBS = f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs"
_HELD = {"suspend": True}


async def _names(served: Served, **query: Any) -> list[str]:
    answer = await served.http.get(_SECRETS, params=query)
    answer.raise_for_status()
    return [each["metadata"]["name"] for each in answer.json()["items"]]


class TestAnswers:
    @pytest.mark.parametrize(
        ("kind", "code", "reason"),
        [
            ("too-many-requests", 429, "TooManyRequests"),
            ("internal", 500, "InternalError"),
            ("unavailable", 503, "ServiceUnavailable"),
            ("timeout", 504, "Timeout"),
            ("quota", 403, "Forbidden"),
            ("forbidden", 403, "Forbidden"),
            ("conflict", 409, "Conflict"),
            ("invalid", 422, "Invalid"),
        ],
    )
    async def test_takes_the_place_of_the_effect(
        self, served: Served, kind: str, code: int, reason: str
    ) -> None:
        served.cluster.faults.add(kind, verb="create", resource="jobs")

        with pytest.raises(ApiException) as caught:
            await served.batch.create_namespaced_job(NAMESPACE, job("train-1", "", spec=_HELD))

        assert caught.value.status == code
        assert reason in caught.value.body
        assert (await served.batch.list_namespaced_job(NAMESPACE)).items == []
        await served.run("train-1", "", spec=_HELD)

    async def test_a_throttled_client_is_told_when_to_come_back(self, served: Served) -> None:
        served.cluster.faults.add("too-many-requests", retry_after=7)

        answer = await served.http.get(_SECRETS)

        assert answer.headers["retry-after"] == "7"

    async def test_a_quota_names_itself(self, served: Served) -> None:
        served.cluster.faults.add("quota", verb="create")

        answer = await served.http.post(_JOBS, json=job("train-1", ""))

        assert 'jobs.batch "train-1" is forbidden: exceeded quota' in answer.json()["message"]

    async def test_strikes_only_what_it_was_meant_for(self, served: Served) -> None:
        faults = served.cluster.faults
        faults.add("internal", verb="create", resource="secrets", name="b*", times=2, skip=1)

        codes = [
            (await served.http.post(_SECRETS, json=secret(name))).status_code
            for name in ("a", "b1", "b2", "b3", "b4")
        ]

        assert codes == [201, 201, 500, 500, 201]
        assert faults.active == []

    async def test_lasts_until_it_is_cleared(self, served: Served) -> None:
        number = served.cluster.faults.add("internal", times=None)
        assert [(await served.http.get(_SECRETS)).status_code for _ in range(3)] == [500] * 3

        served.cluster.faults.clear(number)

        assert (await served.http.get(_SECRETS)).status_code == 200


class TestConnection:
    async def test_is_cut_before_the_effect(self, served: Served) -> None:
        served.cluster.faults.add("cut-before", verb="create", resource="secrets")

        with pytest.raises(httpx.TransportError):
            await served.http.post(_SECRETS, json=secret("s"))

        assert await _names(served) == []

    async def test_is_cut_after_the_effect(self, served: Served) -> None:
        served.cluster.faults.add("cut-after", verb="create", resource="secrets")

        with pytest.raises(httpx.TransportError):
            await served.http.post(_SECRETS, json=secret("s"))

        assert await _names(served) == ["s"]

    async def test_is_no_answer_for_the_python_client(self, served: Served) -> None:
        served.cluster.faults.add("cut-after", verb="create", resource="secrets")

        with pytest.raises(Exception, match="payload") as caught:
            await served.core.create_namespaced_secret(NAMESPACE, secret("s"))

        assert not isinstance(caught.value, ApiException)

    async def test_is_slow(self, served: Served) -> None:
        served.cluster.faults.add("slow", seconds=0.3)
        started = time.monotonic()

        await served.http.get(_SECRETS)

        assert time.monotonic() - started >= 0.3


class TestListings:
    async def test_expire_in_the_middle(self, served: Served) -> None:
        for name in ("a", "b", "c"):
            await served.http.post(_SECRETS, json=secret(name))
        served.cluster.faults.add("expired", resource="secrets")
        first = (await served.http.get(_SECRETS, params={"limit": 1})).json()

        query = {"limit": 1, "continue": first["metadata"]["continue"]}

        assert (await served.http.get(_SECRETS, params=query)).status_code == 410
        assert (await served.http.get(_SECRETS, params=query)).status_code == 200

    async def test_repeat_an_item(self, served: Served) -> None:
        for name in ("a", "b"):
            await served.http.post(_SECRETS, json=secret(name))
        served.cluster.faults.add("duplicate")

        assert await _names(served) == ["a", "a", "b"]

    async def test_come_back_empty(self, served: Served) -> None:
        await served.http.post(_SECRETS, json=secret("a"))
        served.cluster.faults.add("empty")

        assert await _names(served) == []
        assert await _names(served) == ["a"]

    async def test_forget_objects(self, served: Served) -> None:
        for number in range(10):
            await served.http.post(_SECRETS, json=secret(f"s{number}"))

        assert served.cluster.forget("secrets", names=["s3"]) == ["s3"]
        assert len(served.cluster.forget("secrets", fraction=1 / 3)) == 3

        assert len(await _names(served)) == 6


class TestHooks:
    async def test_are_called_between_a_job_and_its_secret(self, served: Served) -> None:
        seen: list[str] = []

        async def after() -> None:
            await asyncio.sleep(0)
            found = served.cluster.objects.get(JOBS, NAMESPACE, "train-1")
            seen.append(found["metadata"]["name"])

        served.cluster.faults.on("create", "secrets", lambda: seen.append("before"))
        served.cluster.faults.on("create", "jobs", after, after=True)

        await served.run("train-1", "", spec=_HELD)
        await served.core.create_namespaced_secret(NAMESPACE, secret("train-1"))
        await served.core.create_namespaced_secret(NAMESPACE, secret("train-2"))

        assert seen == ["train-1", "before"]

    async def test_requests_are_counted(self, served: Served) -> None:
        await served.run("train-1", "", spec=_HELD)
        await served.http.get(_JOBS)

        faults = served.cluster.faults
        assert faults.count("create", "jobs", "train-1") == 1
        assert faults.count(resource="jobs") == 2
        assert [each.code for each in faults.seen] == [201, 200]


class TestOverHttp:
    async def test_faults_are_added_shown_and_cleared(self, served: Served) -> None:
        asked = {"kind": "internal", "verb": "list", "times": None}
        assert (await served.http.post("/_faults", json=asked)).json() == {"id": 1}
        assert (await served.http.get(_SECRETS)).status_code == 500
        shown = (await served.http.get("/_faults")).json()
        assert [each["kind"] for each in shown] == ["internal"]

        await served.http.delete("/_faults")

        assert (await served.http.get(_SECRETS)).status_code == 200
        asked = (await served.http.get("/_faults/requests")).json()
        assert [each["code"] for each in asked] == [500, 200]

    async def test_objects_are_written_and_forgotten(self, served: Served) -> None:
        item = job("train-1", "")
        item["metadata"]["namespace"] = NAMESPACE
        body = {"resource": "jobs", "items": [item]}
        assert (await served.http.post("/_faults/objects", json=body)).json() == {"count": 1}

        lost = await served.http.post("/_faults/forget", json={"resource": "jobs", "fraction": 1})

        assert lost.json() == {"names": ["train-1"]}

    async def test_an_unknown_fault_is_refused(self, served: Served) -> None:
        assert (await served.http.post("/_faults", json={"kind": "fire"})).status_code == 400
        assert (await served.http.post("/_faults", json={"knd": "slow"})).status_code == 400

    async def test_nobody_breaks_it_without_the_token(self, served: Served) -> None:
        answer = await served.http.post("/_faults", headers={"authorization": ""})

        assert answer.status_code == 401
