"""The client of MLflow against a server that answers as it is told."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import pytest_asyncio

from common import answers
from common.tracking.mlflow import (
    FAILURES,
    LONGEST_PAUSE,
    Breaker,
    Mlflow,
    MlflowRefused,
    MlflowUnavailable,
)
from tests.processes import free_port

RUN = {"run": {"info": {"run_id": "r1"}}}


@dataclass
class Answering:
    """`code` and `body` answer every request; while `held` is clear, none is answered."""

    code: int = 200
    body: bytes = json.dumps(RUN).encode()
    got: list[tuple[str, str, bytes]] = field(default_factory=list[tuple[str, str, bytes]])
    held: threading.Event = field(default_factory=threading.Event)
    at_once: int = 0
    most_at_once: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    url: str = ""


@pytest.fixture
def server() -> Iterator[Answering]:
    told = Answering()
    told.held.set()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            with told.lock:
                told.at_once += 1
                told.most_at_once = max(told.most_at_once, told.at_once)
                told.got.append((self.command, self.path, body))
            told.held.wait(30)
            with told.lock:
                told.at_once -= 1
            self.send_response(told.code)
            self.send_header("content-length", str(len(told.body)))
            self.end_headers()
            self.wfile.write(told.body)

        do_GET = do_POST = do_PATCH = do_DELETE = answer

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    served = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    told.url = f"http://127.0.0.1:{served.server_port}"
    thread = threading.Thread(target=served.serve_forever)
    thread.start()
    yield told
    told.held.set()
    served.shutdown()
    served.server_close()
    thread.join()


@pytest_asyncio.fixture
async def mlflow(server: Answering) -> AsyncIterator[Mlflow]:
    client = Mlflow(server.url)
    yield client
    await client.close()


class TestCall:
    async def test_posts_json_and_returns_the_answer(
        self, mlflow: Mlflow, server: Answering
    ) -> None:
        assert await mlflow.call("POST", "runs/create", {"experiment_id": "7"}) == RUN

        assert server.got == [("POST", "/api/2.0/mlflow/runs/create", b'{"experiment_id":"7"}')]

    async def test_asks_with_a_query(self, mlflow: Mlflow, server: Answering) -> None:
        await mlflow.call("GET", "runs/get", {"run_id": "a b"})

        assert server.got[0][:2] == ("GET", "/api/2.0/mlflow/runs/get?run_id=a+b")

    async def test_tells_a_refusal_by_its_code(self, mlflow: Mlflow, server: Answering) -> None:
        server.code = 404
        server.body = b'{"error_code":"RESOURCE_DOES_NOT_EXIST","message":"No  run."}'

        with pytest.raises(MlflowRefused) as refused:
            await mlflow.call("GET", "runs/get", {"run_id": "x"})

        assert refused.value.is_missing
        assert refused.value.message == "RESOURCE_DOES_NOT_EXIST: No run."

    @pytest.mark.parametrize("code", [401, 403, 404, 429, 500, 502, 503])
    async def test_takes_whatever_may_be_otherwise_next_time_for_unavailable(
        self, mlflow: Mlflow, server: Answering, code: int
    ) -> None:
        server.code, server.body = code, b"<html>no</html>"

        with pytest.raises(MlflowUnavailable) as wrong:
            await mlflow.call("POST", "runs/create", {})

        assert answers.broker_answer(wrong.value) == 503

    async def test_is_unavailable_where_nobody_listens(self) -> None:
        client = Mlflow(f"http://127.0.0.1:{free_port()}")

        with pytest.raises(MlflowUnavailable):
            await client.call("GET", "experiments/get")

        await client.close()

    async def test_waits_no_longer_than_it_may(self, server: Answering) -> None:
        server.held.clear()
        client = Mlflow(server.url, total=0.2)

        with pytest.raises(MlflowUnavailable):
            await client.call("GET", "experiments/get")

        server.held.set()
        await client.close()

    async def test_keeps_few_calls_under_way_at_once(self, server: Answering) -> None:
        server.held.clear()
        client = Mlflow(server.url, at_once=3)
        calls = [asyncio.create_task(client.call("GET", "runs/get")) for _ in range(9)]
        while server.at_once < 3:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        server.held.set()

        await asyncio.gather(*calls)

        assert server.most_at_once == 3
        await client.close()


class TestBreaker:
    async def test_asks_nobody_while_it_is_open_and_one_afterwards(self, server: Answering) -> None:
        now = [0.0]
        client = Mlflow(server.url, breaker=Breaker(lambda: now[0]))
        server.code, server.body = 500, b"no"
        for _ in range(FAILURES + 5):
            with pytest.raises(MlflowUnavailable):
                await client.call("GET", "runs/get")
        assert len(server.got) == FAILURES

        now[0] = LONGEST_PAUSE
        server.code, server.body = 200, b"{}"
        await client.call("GET", "runs/get")
        await client.call("GET", "runs/get")

        assert len(server.got) == FAILURES + 2
        await client.close()

    def test_pauses_longer_each_time_but_never_very_long(self) -> None:
        now = [0.0]
        breaker = Breaker(lambda: now[0])
        pauses: list[float] = []
        for _ in range(20):
            breaker.fail()
            began = now[0]
            while breaker.is_open:
                now[0] += 0.25
            pauses.append(now[0] - began)

        assert pauses[: FAILURES - 1] == [0, 0]
        assert pauses[FAILURES - 1 : FAILURES + 2] == [1, 2, 4]
        assert max(pauses) == LONGEST_PAUSE

    async def test_is_not_opened_by_refusals(self, mlflow: Mlflow, server: Answering) -> None:
        server.code, server.body = 400, b'{"error_code":"INVALID_PARAMETER_VALUE"}'
        for _ in range(FAILURES + 1):
            with pytest.raises(MlflowRefused):
                await mlflow.call("GET", "runs/get")

        assert not mlflow.breaker.is_open
