"""How a stream ends that nobody ends: a slow reader, a process that is told to go, a limit."""

import asyncio
import json
import signal
import socket
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
import httpx
import psutil
import pytest

from common.jobs.beat import Beat, record
from common.jobs.state import Status
from tests.catalogue import bearer
from tests.jobs import make_job
from tests.processes import Served, started_function
from tests.sse import Told, events, opened
from tests.watching import rest, until

JOBS = "/llm-ops/v1/training/jobs"
LARGE = 80
POINTS = 1000
ENOUGH_BYTES = 64 << 20


@pytest.fixture
def served(environ: dict[str, str]) -> Iterator[Served]:
    with started_function("live", environ) as found:
        yield found


async def large_beat(pool: asyncpg.Pool, job_id: UUID, sequence: int) -> None:
    points = [{"name": f"metric-{n:04}", "value": 0.5, "step": sequence} for n in range(POINTS)]
    body = json.dumps({"sequence": sequence, "points": points})
    await record(pool, [Beat(job_id, 1, sequence, "", body)], now=datetime.now(UTC))


class SlowReader:
    """Asks for a stream and reads none of it."""

    def __init__(self, address: str, path: str) -> None:
        url = urlsplit(address)
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._socket.connect((url.hostname, url.port))
        headers = bearer() | {"host": "live"}
        lines = [f"GET {path} HTTP/1.1", *(f"{k}: {v}" for k, v in headers.items()), "", ""]
        self._socket.sendall("\r\n".join(lines).encode())

    def read_to_the_end(self) -> int:
        """How many bytes there were."""
        self._socket.settimeout(90)
        read = 0
        while piece := self._socket.recv(1 << 16):
            read += len(piece)
        return read

    def close(self) -> None:
        self._socket.close()


async def test_a_slow_reader_is_cut_and_nobody_else_suffers(
    served: Served, pool: asyncpg.Pool
) -> None:
    job_id = await make_job(pool, Status.RUNNING)
    path = f"{JOBS}/{job_id}/live"
    before = psutil.Process(served.process.pid).memory_info().rss
    with closing(SlowReader(served.address, path)) as slow:
        async with (
            httpx.AsyncClient(base_url=served.address, timeout=60) as http,
            opened(http, path, **bearer()) as answer,
        ):
            told = events(answer)
            await anext(told)
            for number in range(LARGE):
                await large_beat(pool, job_id, number)
            seen = await until(told, lambda t: t.event == "points" and step_of(t) == LARGE - 1)
        grown = psutil.Process(served.process.pid).memory_info().rss - before
        read = await asyncio.to_thread(slow.read_to_the_end)
    points = [each for each in seen if each.event == "points"]
    assert [step_of(each) for each in points] == list(range(LARGE))
    assert read < sum(len(json.dumps(each.data)) for each in points) * 0.8
    assert grown < ENOUGH_BYTES


def step_of(told: Told) -> int:
    return told.data["points"][0]["step"]


async def test_ends_its_streams_and_itself_when_it_is_told_to(
    served: Served, pool: asyncpg.Pool
) -> None:
    job_id = await make_job(pool)
    async with (
        httpx.AsyncClient(base_url=served.address, timeout=60) as http,
        opened(http, f"{JOBS}/{job_id}/live", **bearer()) as of_job,
        opened(http, f"{JOBS}/live", **bearer()) as of_list,
    ):
        first, second = events(of_job), events(of_list)
        await anext(first)
        await anext(second)
        served.process.send_signal(signal.SIGTERM)
        assert {each.event for each in await rest(first)} <= {"job", "change"}
        assert await rest(second) == []
    assert await asyncio.to_thread(served.process.wait, 25) == 0


async def test_a_stream_is_cut_before_the_platform_would(
    environ: dict[str, str], pool: asyncpg.Pool
) -> None:
    job_id = await make_job(pool)
    with started_function("live", environ | {"LIVE_STREAM_SECONDS": "2"}) as served:
        async with httpx.AsyncClient(base_url=served.address, timeout=60) as http:
            for path in (f"{JOBS}/{job_id}/live", f"{JOBS}/live"):
                async with opened(http, path, **bearer()) as answer:
                    told = await rest(events(answer))
                assert "end" not in {each.event for each in told}
