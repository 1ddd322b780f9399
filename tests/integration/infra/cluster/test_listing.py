import time
from typing import Any

import pytest
from kubernetes.aio.client import ApiException

from tests.integration.infra.cluster.making import NAMESPACE
from tests.integration.infra.cluster.serving import Served, job

_JOBS = f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs"


def _many(count: int) -> list[Any]:
    made = [job(f"train-{number:05}", "") for number in range(count)]
    for number, each in enumerate(made):
        each["metadata"] |= {
            "namespace": NAMESPACE,
            "labels": {"app": "trainer", "parity": "odd" if number % 2 else "even"},
        }
    return made


async def _names(served: Served, **query: Any) -> list[str]:
    answer = await served.http.get(_JOBS, params=query)
    answer.raise_for_status()
    return [each["metadata"]["name"] for each in answer.json()["items"]]


class TestPages:
    async def test_one_listing_is_of_one_moment(self, served: Served) -> None:
        served.cluster.insert("jobs", _many(5))
        first = (await served.http.get(_JOBS, params={"limit": 2})).json()
        await served.batch.delete_namespaced_job("train-00003", NAMESPACE)
        served.cluster.insert(
            "jobs",
            [{**_many(1)[0], "metadata": {"name": "train-00002x"} | {"namespace": NAMESPACE}}],
        )

        seen = [each["metadata"]["name"] for each in first["items"]]
        token = first["metadata"]["continue"]
        while token:
            page = (await served.http.get(_JOBS, params={"limit": 2, "continue": token})).json()
            assert page["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
            seen += [each["metadata"]["name"] for each in page["items"]]
            token = page["metadata"].get("continue")

        assert seen == [f"train-{number:05}" for number in range(5)]
        assert first["metadata"]["remainingItemCount"] == 3

    async def test_a_listing_that_expired_says_so_and_how_to_go_on(self, served: Served) -> None:
        served.cluster.insert("jobs", _many(4))
        first = await served.batch.list_namespaced_job(NAMESPACE, limit=2)
        served.cluster.insert("jobs", _many(1))
        served.cluster.expire()

        with pytest.raises(ApiException) as caught:
            await served.batch.list_namespaced_job(
                NAMESPACE, limit=2, _continue=first.metadata._continue
            )

        assert (caught.value.status, "Expired" in caught.value.body) == (410, True)
        refused = await served.http.get(
            _JOBS, params={"limit": 2, "continue": first.metadata._continue}
        )
        again = refused.json()["metadata"]["continue"]
        assert await _names(served, **{"continue": again}) == ["train-00002", "train-00003"]

    async def test_a_past_version_can_be_read_exactly(self, served: Served) -> None:
        served.cluster.insert("jobs", _many(2))
        version = (await served.http.get(_JOBS)).json()["metadata"]["resourceVersion"]
        await served.http.delete(f"{_JOBS}/train-00000?propagationPolicy=Background")

        exactly = {"resourceVersion": version, "resourceVersionMatch": "Exact"}
        assert len(await _names(served, **exactly)) == 2
        assert len(await _names(served)) == 1

    async def test_a_token_that_is_none_is_refused(self, served: Served) -> None:
        answer = await served.http.get(_JOBS, params={"continue": "nonsense"})

        assert answer.status_code == 400


class TestSelectors:
    @pytest.mark.parametrize(
        ("selector", "count"),
        [
            ("app=trainer", 4),
            ("app==trainer,parity=odd", 2),
            ("parity!=odd", 2),
            ("parity in (odd, even)", 4),
            ("parity notin (odd)", 2),
            ("parity", 4),
            ("!parity", 0),
            ("app=other", 0),
        ],
    )
    async def test_labels_select(self, served: Served, selector: str, count: int) -> None:
        served.cluster.insert("jobs", _many(4))

        assert len(await _names(served, labelSelector=selector)) == count

    async def test_fields_select(self, served: Served) -> None:
        served.cluster.insert("jobs", _many(2))

        assert await _names(served, fieldSelector="metadata.name=train-00001") == ["train-00001"]
        answer = await served.http.get(_JOBS, params={"fieldSelector": "spec.suspend=true"})
        assert answer.status_code == 400

    async def test_a_selector_that_cannot_be_read_is_refused(self, served: Served) -> None:
        answer = await served.http.get(_JOBS, params={"labelSelector": "a in ("})

        assert answer.status_code == 400

    async def test_other_namespaces_are_not_listed(self, served: Served) -> None:
        served.cluster.insert("jobs", _many(1))

        other = await served.http.get("/apis/batch/v1/namespaces/other/jobs")

        assert other.json()["items"] == []
        assert len((await served.http.get("/apis/batch/v1/jobs")).json()["items"]) == 1


class TestVolume:
    async def test_ten_thousand_jobs_are_listed_in_moments(self, served: Served) -> None:
        served.cluster.insert("jobs", _many(10_000))
        started, seen, token = time.monotonic(), 0, ""
        while True:
            query = {"limit": 1000, "labelSelector": "app=trainer", "continue": token}
            page = (await served.http.get(_JOBS, params=query)).json()
            seen += len(page["items"])
            token = page["metadata"].get("continue", "")
            if not token:
                break

        assert seen == 10_000
        assert time.monotonic() - started < 20
        assert (await served.core.list_namespaced_pod(NAMESPACE)).items == []
