"""What is made of a stream: taken up where it broke off, replaced where there is none."""

import json
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import httpx
import pytest
from eventrain_client import Client, NotEnded, Patience, Told, Unreachable, Update

from infra.cli.watching import watch_jobs

Answer = Callable[[httpx.Request], httpx.Response]


def streamed(*told: Told) -> httpx.Response:
    frames = [
        (f"id: {each.id}\n" if each.id else "")
        + f"event: {each.event}\ndata: {json.dumps(each.data)}\n\n"
        for each in told
    ]
    headers = {"content-type": "text/event-stream; charset=utf-8"}
    return httpx.Response(200, headers=headers, text="retry: 5\n\n:\n\n" + "".join(frames))


def enveloped(data: Any, status: int = 200) -> httpx.Response:
    word = "success" if status == 200 else "fail"
    return httpx.Response(status, json={"status": word, "message": "so", "data": data})


def job(status: str, job_id: str = "j1") -> dict[str, Any]:
    return {"id": job_id, "status": status, "jobType": "from_scratch"}


RUNNING = enveloped(job("running"))
NO_POINTS = enveloped({"points": [], "nextCursor": None})
NO_CHANGES = enveloped({"timeline": [], "nextCursor": None})


def client_of(*answers: Answer | httpx.Response) -> tuple[Client, list[httpx.Request]]:
    """A client whose calls are answered one after the other, the last answer for good."""
    asked: list[httpx.Request] = []
    left = list(answers)

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        found = left.pop(0) if len(left) > 1 else left[0]
        return found if isinstance(found, httpx.Response) else found(request)

    transport = httpx.MockTransport(answer)
    patience = Patience(tries=1)
    return Client(
        "http://there", "t", transport=transport, patience=patience, sleep=not_for_long
    ), asked


def not_for_long(seconds: float) -> None:
    assert seconds < 5


def unreachable(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("nobody", request=request)


def statuses(updates: list[Update]) -> list[str]:
    return [each.job["status"] for each in updates]


class TestWatch:
    def test_goes_on_behind_the_last_message_after_a_cut(self) -> None:
        client, asked = client_of(
            RUNNING,
            streamed(Told("job", job("running"), "3.0.1.4")),
            unreachable,
            streamed(
                Told("job", job("running"), "3.0.1.4"), Told("job", job("succeeded"), "4.0.1.4")
            ),
        )
        seen = list(client.jobs.watch("j1"))
        assert [each.silence is None for each in seen] == [True, False, True, True]
        assert statuses(seen)[-1] == "succeeded"
        assert [each.headers.get("last-event-id") for each in asked[1:]] == [
            None,
            "3.0.1.4",
            "3.0.1.4",
        ]

    def test_shows_points_with_the_job_that_follows_them(self) -> None:
        point = {"name": "loss", "value": 1, "step": 1, "time": None, "attempt": 1}
        client, _ = client_of(
            RUNNING,
            streamed(Told("points", {"points": [point]}, "1"), Told("job", job("failed"), "2")),
        )
        (seen,) = client.jobs.watch("j1")
        assert seen.points == [point]

    def test_tells_each_change_as_it_comes(self) -> None:
        change = {"sequence": 1, "type": "dev.eventrain.job.submitted.v1", "at": "2026-01-01"}
        client, _ = client_of(
            RUNNING,
            streamed(
                Told("job", job("running"), "1"),
                Told("change", change, "2"),
                Told("end", {"reason": "over"}),
            ),
        )
        assert [each.changes for each in client.jobs.watch("j1")] == [[], [change]]

    @pytest.mark.parametrize(
        "away", [enveloped({"code": "NOT_FOUND"}, 404), enveloped({"hello": 1})]
    )
    def test_asks_again_and_again_where_nothing_is_streamed(self, away: httpx.Response) -> None:
        ended = enveloped(job("succeeded"))
        round_of = (NO_POINTS, NO_CHANGES)
        client, asked = client_of(RUNNING, away, RUNNING, *round_of, ended, *round_of)
        assert statuses(list(client.jobs.watch("j1"))) == ["running", "succeeded"]
        assert asked[2].url.path.endswith("/j1")

    def test_ends_at_once_when_nobody_answers_from_the_start(self) -> None:
        client, _ = client_of(unreachable)
        with pytest.raises(Unreachable):
            list(client.jobs.watch("j1"))


class TestWait:
    def test_returns_the_job_as_it_ended_although_nobody_answered_for_a_while(self) -> None:
        client, _ = client_of(RUNNING, unreachable, RUNNING, enveloped(job("failed")))
        assert client.jobs.wait("j1")["status"] == "failed"

    def test_gives_up_when_it_is_told_to(self) -> None:
        client, _ = client_of(RUNNING)
        with pytest.raises(NotEnded) as caught:
            client.jobs.wait("j1", timeout=0)
        assert caught.value.job["status"] == "running"


class TestWatchJobs:
    def test_tells_what_the_stream_tells(self) -> None:
        told = (Told("page", {"jobs": []}), Told("job", job("running")), Told("gone", {"id": "j1"}))
        client, asked = client_of(streamed(*told))
        found: Iterator[Told | Unreachable] = watch_jobs(
            client, status="running", sleep=not_for_long
        )
        assert list(islice(found, 4)) == [*told, told[0]]
        assert dict(asked[0].url.params) == {"status": "running"}

    def test_finds_out_by_itself_where_nothing_is_streamed(self) -> None:
        client, _ = client_of(
            enveloped({"code": "NOT_FOUND"}, 404),
            enveloped({"jobs": [job("running", "a")], "nextCursor": None}),
            enveloped({"jobs": [job("queued", "b")], "nextCursor": None}),
        )
        found = watch_jobs(client, sleep=not_for_long)
        told = [each for each in islice(found, 3) if isinstance(each, Told)]
        assert [each.event for each in told] == ["page", "gone", "job"]
