from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest
from eventrain_client.client import Client
from eventrain_client.errors import Refused, ServerFault, Unreachable, Violation

OK = {"status": "success", "message": "ok", "data": {"id": "j", "status": "pending"}}
BUSY = {"status": "fail", "message": "Too much at once.", "data": None}


class Server:
    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []
        self.waits: list[float] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def client(self) -> Client:
        transport = httpx.MockTransport(self)
        return Client("http://there", "token", transport=transport, sleep=self.waits.append)


def answer(status: int = 200, body: object = OK, **headers: str) -> httpx.Response:
    return httpx.Response(status, json=body, headers=headers)


class TestCall:
    def test_opens_the_envelope(self) -> None:
        assert Server(answer()).client().jobs.get("j")["status"] == "pending"

    def test_sends_token_request_id_and_trace(self) -> None:
        server = Server(answer())
        server.client().jobs.get("j")
        headers = server.requests[0].headers
        assert headers["Authorization"] == "Bearer token"
        assert len(headers["X-Request-Id"]) == 36
        version, trace, span, flags = headers["traceparent"].split("-")
        assert (version, len(trace), len(span), flags) == ("00", 32, 16, "01")

    def test_names_what_was_refused_by_field(self) -> None:
        errors = [{"field": "datasetId", "reason": "is required"}]
        body = {"status": "fail", "message": "no", "data": {"code": "INVALID", "errors": errors}}
        with pytest.raises(Refused) as caught:
            Server(answer(422, body)).client().jobs.submit({})
        assert caught.value.violations == (Violation("datasetId", "is required"),)
        assert (caught.value.status, caught.value.code) == (422, "INVALID")

    def test_takes_a_stranger_for_a_stranger(self) -> None:
        with pytest.raises(ServerFault, match="does not speak as Eventrain does"):
            Server(httpx.Response(200, text="<html>")).client().jobs.get("j")

    def test_keeps_the_request_id_of_a_crash(self) -> None:
        crash = answer(500, {**BUSY, "message": "Something broke."}, **{"X-Request-Id": "r-1"})
        with pytest.raises(ServerFault) as caught:
            Server(crash).client().jobs.get("j")
        assert caught.value.request_id == "r-1"


class TestPages:
    def test_reads_a_catalog_to_its_end(self) -> None:
        first = {**OK, "data": [{"id": "a"}]}
        second = {**OK, "data": [{"id": "b"}]}
        server = Server(answer(200, first, **{"X-Next-Cursor": "c1"}), answer(200, second))
        assert [row["id"] for row in server.client().models.list(status="draft")] == ["a", "b"]
        assert server.requests[1].url.params["cursor"] == "c1"
        assert server.requests[1].url.params["status"] == "draft"

    def test_reads_a_timeline_to_its_end(self) -> None:
        first = {**OK, "data": {"timeline": [{"sequence": 1}], "nextCursor": "c1"}}
        second = {**OK, "data": {"timeline": [{"sequence": 2}], "nextCursor": None}}
        server = Server(answer(200, first), answer(200, second))
        assert [row["sequence"] for row in server.client().jobs.events("j")] == [1, 2]


class TestPatience:
    @pytest.mark.parametrize("status", [429, 503])
    def test_waits_as_long_as_it_is_told(self, status: int) -> None:
        server = Server(answer(status, BUSY, **{"Retry-After": "7"}), answer())
        server.client().jobs.get("j")
        assert server.waits == [7.0]

    def test_does_not_wait_for_longer_than_a_person_would(self) -> None:
        server = Server(answer(503, BUSY, **{"Retry-After": "3600"}))
        with pytest.raises(Unreachable):
            server.client().jobs.get("j")
        assert server.waits == []

    def test_gives_up_after_a_few_tries(self) -> None:
        server = Server(httpx.ConnectError("refused"))
        with pytest.raises(Unreachable, match="Nobody answers at http://there"):
            server.client().jobs.get("j")
        assert len(server.requests) == 4
        assert server.waits == [0.2, 0.4, 0.8]

    @pytest.mark.parametrize(
        "call",
        [
            lambda client: client.jobs.submit({"jobType": "from_scratch"}),
            lambda client: client.jobs.resubmit("j", {}),
        ],
    )
    def test_repeats_a_submit_under_one_key_when_the_answer_was_lost(
        self, call: Callable[[Client], object]
    ) -> None:
        server = Server(httpx.ReadError("cut"), answer())
        call(server.client())
        assert len({request.headers["Idempotency-Key"] for request in server.requests}) == 1
        assert len(server.requests) == 2

    def test_never_repeats_what_would_happen_twice(self) -> None:
        server = Server(httpx.ReadError("cut"))
        with pytest.raises(Unreachable):
            server.client().datasets.create({"name": "digits"})
        assert len(server.requests) == 1
