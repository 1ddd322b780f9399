"""Rule 25: what the heartbeat function acknowledged is stored, whoever is told to stop or killed."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import asyncpg
import httpx
import pytest

from common import postgres
from common.jobs.state import Status
from common.postgres import transaction
from common.settings import Database as DatabaseSettings
from tests.jobs import make_job
from tests.keys import job_token_for
from tests.kubernetes import until
from tests.postgres_server import PostgresServer
from tests.processes import started_function

WAITING = "select exists (select from pg_locks where not granted)"
CROWD = 40
TRAINERS = 8


class Trainer:
    """Beats without end, each beat until it is acknowledged."""

    def __init__(self, client: httpx.AsyncClient, job_id: UUID) -> None:
        self._client = client
        self.job_id = job_id
        self._headers = {"authorization": f"Bearer {job_token_for(job_id, 1, datetime.now(UTC))}"}
        self.acknowledged: list[int] = []
        self.refused: set[int] = set()

    async def beat(self, sequence: int) -> None:
        body = {"sequence": sequence, "metrics": {"loss": 1 / (1 + sequence)}}
        path = f"/v1/jobs/{self.job_id}/heartbeat"
        with suppress(httpx.TransportError):
            answer = await self._client.post(path, json=body, headers=self._headers)
            if answer.status_code == 200:
                self.acknowledged.append(sequence)
            else:
                self.refused.add(answer.status_code)

    async def beat_on(self) -> None:
        while True:
            sequence = len(self.acknowledged)
            await self.beat(sequence)
            if len(self.acknowledged) == sequence:
                await asyncio.sleep(0.05)


async def stored(pool: asyncpg.Pool, job_id: UUID) -> list[int]:
    rows = await pool.fetch("select sequence from heartbeats where job_id = $1 order by 1", job_id)
    return [row["sequence"] for row in rows]


class TestSigterm:
    async def test_commits_and_answers_what_was_taken(
        self, pool: asyncpg.Pool, environ: dict[str, str]
    ) -> None:
        """All of them wait for a row that somebody holds when the signal comes."""
        job_id = await make_job(pool, Status.RUNNING)
        with started_function("heartbeat", environ) as served:
            async with httpx.AsyncClient(base_url=served.address, timeout=30) as client:
                trainer = Trainer(client, job_id)
                async with transaction(pool) as other:
                    await other.execute("select from beats for update")
                    beats = [asyncio.create_task(trainer.beat(n)) for n in range(CROWD)]
                    await until(lambda: pool.fetchval(WAITING))
                    await asyncio.sleep(0.5)
                    served.process.send_signal(signal.SIGTERM)
                    await asyncio.sleep(0.3)
                    assert served.process.poll() is None
                    assert trainer.acknowledged == []
                await asyncio.gather(*beats)

            assert await asyncio.to_thread(served.process.wait, 15) == 0

        assert len(trainer.acknowledged) > 1
        assert not trainer.refused
        assert set(trainer.acknowledged) <= set(await stored(pool, job_id))


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[PostgresServer]:
    """One that nobody else misses."""
    server = PostgresServer(tmp_path)
    server.start()
    yield server
    server.stop()


class TestKillOfPostgres:
    async def test_loses_no_acknowledged_heartbeat_and_stores_none_twice(
        self, own_server: PostgresServer, environ: dict[str, str]
    ) -> None:
        database = own_server.create()
        settings = environ | {"DATABASE_URL": database.url}
        pool = await postgres.open_pool(DatabaseSettings(url=database.url))
        jobs = [await make_job(pool, Status.RUNNING) for _ in range(TRAINERS)]
        with started_function("heartbeat", settings) as served:
            async with httpx.AsyncClient(base_url=served.address, timeout=20) as client:
                trainers = [Trainer(client, job_id) for job_id in jobs]
                beating = [asyncio.create_task(trainer.beat_on()) for trainer in trainers]
                await _until_each_has(trainers, 20)
                first = own_server.pid
                own_server.kill()
                await until(lambda: _is_another(own_server, first), seconds=30)
                await _until_each_has(trainers, 20)
                for task in beating:
                    task.cancel()
                await asyncio.gather(*beating, return_exceptions=True)

        assert {status for trainer in trainers for status in trainer.refused} <= {503}
        for trainer in trainers:
            kept = await stored(pool, trainer.job_id)
            assert len(kept) == len(set(kept))
            assert set(trainer.acknowledged) <= set(kept)
        await postgres.close_pool(pool)


async def _is_another(server: PostgresServer, pid: int | None) -> bool:
    return server.pid not in (None, pid)


async def _until_each_has(trainers: list[Trainer], more: int) -> None:
    wanted = [len(trainer.acknowledged) + more for trainer in trainers]

    async def all_have() -> bool:
        return all(len(t.acknowledged) >= n for t, n in zip(trainers, wanted, strict=True))

    await until(all_have, seconds=30)
