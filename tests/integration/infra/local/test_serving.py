import asyncio
import os
import signal
from collections.abc import AsyncIterator

from infra.local import process
from tests.integration.infra.local.clone import Clone
from tests.integration.infra.local.conftest import Serve, eventually


class TestFunction:
    async def test_is_started_by_its_first_request_and_only_once(self, serve: Serve) -> None:
        async with serve() as stack:
            assert stack.small.pid is None
            answers = await asyncio.gather(*(stack.client.get("/small/x") for _ in range(20)))
            assert {answer.text for answer in answers} == {str(stack.small.pid)}

    async def test_is_stopped_when_idle_and_started_again(self, serve: Serve) -> None:
        async with serve(idle_seconds=0.3) as stack:
            first = await stack.client.get("/small/x")
            await eventually(lambda: stack.small.pid is None)
            await eventually(lambda: process.started_at(int(first.text)) is None)
            assert (await stack.client.get("/small/x")).text != first.text

    async def test_is_not_idle_while_it_works(self, serve: Serve) -> None:
        async with serve(idle_seconds=0.2) as stack:
            assert (await stack.client.get("/small/slow?1.5")).status_code == 200

    async def test_stays_up_where_its_service_says_so(self, clone: Clone, serve: Serve) -> None:
        clone.add_function("small", annotations={"autoscaling.knative.dev/min-scale": "1"})
        async with serve(idle_seconds=0.1) as stack:
            await eventually(lambda: stack.small.pid)
            first = stack.small.pid or 0
            os.kill(first, signal.SIGKILL)
            await eventually(lambda: stack.small.pid not in (None, first))

    async def test_takes_no_more_at_once_than_its_service_says(
        self, clone: Clone, serve: Serve
    ) -> None:
        clone.add_function("small", containerConcurrency=1)
        async with serve() as stack:
            await stack.client.get("/small/x")
            started = asyncio.get_running_loop().time()
            await asyncio.gather(*(stack.client.get("/small/slow?0.2") for _ in range(4)))
            assert asyncio.get_running_loop().time() - started > 0.8

    async def test_that_crashed_is_started_by_the_next_request(
        self, clone: Clone, serve: Serve
    ) -> None:
        clone.add_route("small", "/")
        async with serve() as stack:
            crashed = await stack.client.get("/crash")
            assert crashed.status_code == 502
            assert crashed.headers["retry-after"] == "1"
            assert (await stack.client.get("/x")).status_code == 200
            assert stack.told == ["small ended (3): starting it again"]

    async def test_that_cannot_start_is_answered_503_with_the_reason(
        self, clone: Clone, serve: Serve
    ) -> None:
        clone.seen.with_suffix(".broken").touch()
        async with serve() as stack:
            answer = await stack.client.get("/small")
            assert answer.status_code == 503
            assert answer.headers["retry-after"] == "1"
            assert "it is broken" in answer.json()["message"]
            clone.seen.with_suffix(".broken").unlink()
            assert (await stack.client.get("/small")).status_code == 200

    async def test_that_takes_too_long_is_answered_504(self, clone: Clone, serve: Serve) -> None:
        clone.add_function("small", timeoutSeconds=1)
        clone.add_route("small", "/")
        async with serve() as stack:
            await stack.client.get("/x")
            assert (await stack.client.get("/slow?2")).status_code == 504

    async def test_leaves_no_process_when_the_stack_stops(self, serve: Serve) -> None:
        async with serve() as stack:
            pid = int((await stack.client.get("/small")).text)
        assert process.started_at(pid) is None


class TestGateway:
    async def test_answers_in_the_envelope_where_nothing_is_served(self, serve: Serve) -> None:
        async with serve() as stack:
            answer = await stack.client.get("/elsewhere", headers={"X-Request-Id": "r1"})
            assert answer.status_code == 404
            assert answer.json()["status"] == "fail"
            assert answer.json()["data"] is None
            assert answer.headers["x-request-id"] == "r1"

    async def test_passes_path_query_body_and_headers_as_they_are(
        self, clone: Clone, serve: Serve
    ) -> None:
        async with serve() as stack:
            headers = {"Authorization": "Bearer t", "X-Thing": "a"}
            answer = await stack.client.post("/small/a%2Fb?c=d%20e", content=b"hi", headers=headers)
            (entry,) = clone.entries("/small/a/b")
            assert entry["body"] == "hi"
            assert entry["headers"]["authorization"] == "Bearer t"
            assert entry["headers"]["host"] == "small.eventrain.svc.cluster.local"
            assert answer.headers["x-function"] == "small"

    async def test_streams_a_large_body_through(self, clone: Clone, serve: Serve) -> None:
        async def body() -> AsyncIterator[bytes]:
            for _ in range(64):
                yield b"x" * 65536

        async with serve() as stack:
            answer = await stack.client.post("/small/large", content=body())
            assert answer.status_code == 200
            assert clone.entries("/small/large")[0]["length"] == 64 * 65536

    async def test_passes_an_early_answer_to_a_large_body(self, clone: Clone, serve: Serve) -> None:
        clone.add_route("small", "/")
        async with serve() as stack:
            answer = await stack.client.post("/early", content=b"x" * (10 << 20))
            assert answer.status_code == 413

    async def test_streams_an_answer_and_ends_it_when_the_client_goes(
        self, clone: Clone, serve: Serve
    ) -> None:
        clone.add_route("small", "/")
        async with serve() as stack:
            async with stack.client.stream("GET", "/stream") as answer:
                lines = answer.aiter_lines()
                assert [await anext(lines) for _ in range(3)] == ["0", "1", "2"]
            await eventually(lambda: clone.entries("/stream ended"), within=30)
