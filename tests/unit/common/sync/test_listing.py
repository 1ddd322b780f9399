from collections.abc import AsyncIterator, Sequence
from typing import Any, TypeVar
from uuid import UUID

import msgspec
import pytest

from common.sync.listing import Job, Pod, see_job, see_jobs, see_pod, see_pods
from common.sync.observe import Key, SeenPod

T = TypeVar("T")
KEY = Key(UUID("11111111-1111-4111-8111-111111111111"), 2)
LABELS = {"app": "trainer", "job-id": str(KEY.job_id), "attempt": "2"}


def pod_of(status: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    return {"metadata": {"name": "p", "uid": "u", "labels": LABELS} | metadata, "status": status}


def see(status: dict[str, Any]) -> SeenPod:
    return see_pod(KEY, msgspec.convert(pod_of(status), Pod))


async def pages(items: Sequence[T]) -> AsyncIterator[Sequence[T]]:
    for item in items:
        yield [item]


def ended(**terminated: Any) -> dict[str, Any]:
    state = {"terminated": {"finishedAt": "2026-01-01T00:00:00Z"} | terminated}
    return {"phase": "Failed", "containerStatuses": [{"state": state}]}


class TestPods:
    @pytest.mark.parametrize(
        ("status", "reasons"),
        [
            (ended(exitCode=137, reason="OOMKilled"), ("OOMKilled",)),
            (ended(exitCode=1, reason="Error"), ()),
            ({"phase": "Failed", "reason": "Evicted"}, ("Evicted",)),
            (
                {
                    "phase": "Failed",
                    "conditions": [
                        {"type": "DisruptionTarget", "status": "True", "reason": "DeletionByPodGC"}
                    ],
                },
                ("DeletionByPodGC",),
            ),
        ],
    )
    def test_say_why_they_ended(self, status: dict[str, Any], reasons: tuple[str, ...]):
        assert see(status).reasons == reasons

    def test_do_not_count_the_wait_for_their_secret_as_bad(self):
        waiting = {
            "reason": "CreateContainerConfigError",
            "message": f'secret "train-{KEY.job_id}-2" not found',
        }
        pod = see({"phase": "Pending", "containerStatuses": [{"state": {"waiting": waiting}}]})
        assert (pod.bad, pod.creating) == (None, True)

    def test_count_the_wait_for_another_secret_as_bad(self):
        waiting = {"reason": "CreateContainerConfigError", "message": 'secret "theirs" not found'}
        pod = see({"phase": "Pending", "containerStatuses": [{"state": {"waiting": waiting}}]})
        assert pod.bad == ("CreateContainerConfigError", 'secret "theirs" not found')

    def test_end_when_they_last_changed_where_no_container_says(self):
        at = "2026-01-01T00:00:00Z"
        pod = see({"phase": "Failed", "conditions": [{"type": "Ready", "lastTransitionTime": at}]})
        assert pod.ended_at
        assert pod.ended_at.isoformat() == "2026-01-01T00:00:00+00:00"

    def test_say_nothing_that_a_database_cannot_hold(self):
        assert see(ended(exitCode=1, message="half\0a word")).message == "half?a word"

    async def test_are_known_by_their_newest(self):
        old = pod_of({"phase": "Failed"}, name="old", creationTimestamp="2026-01-01T00:00:00Z")
        new = pod_of({"phase": "Pending"}, name="new", creationTimestamp="2026-01-01T00:00:01Z")
        pods = msgspec.convert([new, old], list[Pod])
        assert (await see_pods(pages(pods)))[KEY].name == "new"
        assert (await see_pods(pages(pods[::-1])))[KEY].name == "new"


class TestJobs:
    async def test_are_ours_by_their_labels(self):
        theirs = [{"app": "trainer"}, {"job-id": "x", "attempt": "1"}, {**LABELS, "attempt": "x"}]
        items = [{"metadata": {"name": "n", "uid": "u", "labels": labels}} for labels in theirs]
        assert await see_jobs(pages(msgspec.convert(items, list[Job]))) == {}

    def test_are_over_once_a_condition_says_so(self):
        conditions = [
            {"type": "FailureTarget", "status": "True", "reason": "BackoffLimitExceeded"},
            {"type": "Failed", "status": "False"},
        ]
        item: dict[str, Any] = {
            "metadata": {"name": "n", "uid": "u", "labels": LABELS},
            "status": {"conditions": conditions},
        }
        assert see_job(KEY, msgspec.convert(item, Job)).finished is None
        conditions[1] = {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded"}
        assert see_job(KEY, msgspec.convert(item, Job)).finished == "Failed"
