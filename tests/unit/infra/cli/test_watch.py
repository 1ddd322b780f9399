"""What the command line makes of a stream: taken up where it broke off, replaced where there is
none."""

import json
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import httpx

from infra.cli.client import Client
from infra.cli.exchange import Patience, Told
from infra.cli.follow import Progress, Silence
from infra.cli.watch import watch_job, watch_jobs

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
    return Client("http://there", "t", transport=transport, patience=patience), asked


def not_for_long(seconds: float) -> None:
    assert seconds < 5


def unreachable(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("nobody", request=request)


class TestWatchJob:
    def test_goes_on_behind_the_last_message_after_a_cut(self) -> None:
        client, asked = client_of(
            streamed(Told("job", job("running"), "3.0.1.4")),
            unreachable,
            streamed(
                Told("job", job("running"), "3.0.1.4"), Told("job", job("succeeded"), "4.0.1.4")
            ),
        )
        seen = list(watch_job(client, "j1", sleep=not_for_long))
        assert [type(each) for each in seen] == [Progress, Silence, Progress, Progress]
        assert [each.headers.get("last-event-id") for each in asked] == [None, "3.0.1.4", "3.0.1.4"]

    def test_shows_points_with_the_job_that_follows_them(self) -> None:
        point = {"name": "loss", "value": 1, "step": 1, "time": None, "attempt": 1}
        client, _ = client_of(
            streamed(Told("points", {"points": [point]}, "1"), Told("job", job("failed"), "2"))
        )
        (seen,) = watch_job(client, "j1", sleep=not_for_long)
        assert isinstance(seen, Progress)
        assert seen.points == [point]

    def test_asks_again_and_again_where_nothing_is_streamed(self) -> None:
        for away in (enveloped({"code": "NOT_FOUND"}, 404), enveloped({"hello": 1})):
            client, asked = client_of(
                away,
                enveloped(job("running")),
                enveloped({"points": [], "nextCursor": None}),
                enveloped(job("succeeded")),
                enveloped({"points": [], "nextCursor": None}),
            )
            seen = list(watch_job(client, "j1", sleep=not_for_long))
            assert [each.job["status"] for each in seen if isinstance(each, Progress)] == [
                "running",
                "succeeded",
            ]
            assert asked[1].url.path.endswith("/j1")


class TestWatchJobs:
    def test_tells_what_the_stream_tells(self) -> None:
        told = (Told("page", {"jobs": []}), Told("job", job("running")), Told("gone", {"id": "j1"}))
        client, asked = client_of(streamed(*told))
        found: Iterator[Told | Silence] = watch_jobs(client, status="running", sleep=not_for_long)
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
