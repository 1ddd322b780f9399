"""Rule 25: heartbeats in groups, and each way in which a group's commit can fail."""

import asyncio
from collections.abc import Sequence
from itertools import count
from uuid import UUID

import asyncpg
import pytest

from common import postgres
from common.errors import Invalid, Unavailable
from common.jobs import beat
from common.jobs.beat import Beat, Fence, Stands
from common.jobs.group import Group
from common.jobs.state import Status
from common.postgres import transaction
from common.settings import Database as DatabaseSettings
from tests.jobs import NOW, make_job
from tests.kubernetes import until
from tests.postgres_server import Database

CUT = "select pg_terminate_backend(pid) from pg_locks where not granted limit 1"
POISON = '{"message":"\\u0000"}'


class Writer:
    """Writes to a real Postgres; remembers the groups, and can be told what to do before each."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self.groups: list[int] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.failures = 0
        self.fault: type[Exception] = ConnectionResetError

    async def __call__(self, beats: Sequence[Beat]) -> Stands:
        self.groups.append(len(beats))
        await self.gate.wait()
        if self.failures:
            self.failures -= 1
            raise self.fault
        return await beat.record(self._pool, beats, now=NOW)


@pytest.fixture
def writer(pool: asyncpg.Pool) -> Writer:
    return Writer(pool)


def beat_of(job_id: UUID, sequence: int, body: str = "{}") -> Beat:
    return Beat(job_id, 1, sequence, "", body)


async def stored(pool: asyncpg.Pool) -> list[int]:
    rows = await pool.fetch("select sequence from heartbeats order by 1")
    return [row["sequence"] for row in rows]


class TestGroup:
    async def test_takes_what_queued_up_while_the_last_commit_ran(
        self, pool: asyncpg.Pool, writer: Writer
    ) -> None:
        job_id = await make_job(pool, Status.RUNNING)
        group = Group(writer, largest=20)
        writer.gate.clear()
        first = group.add(beat_of(job_id, 0))
        await asyncio.sleep(0)
        others = [group.add(beat_of(job_id, n)) for n in range(1, 31)]
        assert not first.done()

        writer.gate.set()
        await asyncio.gather(first, *others)

        assert writer.groups == [1, 20, 10]
        assert await stored(pool) == list(range(31))

    async def test_refuses_what_cannot_be_stored_alone_and_keeps_its_neighbours(
        self, pool: asyncpg.Pool, writer: Writer
    ) -> None:
        jobs = [await make_job(pool, Status.RUNNING) for _ in range(5)]
        group = Group(writer)
        bodies = ["{}", "{}", POISON, "{}", "{}"]

        answers = await asyncio.gather(
            *(group.add(beat_of(j, 1, b)) for j, b in zip(jobs, bodies, strict=True)),
            return_exceptions=True,
        )

        assert [isinstance(answer, Invalid) for answer in answers] == [b == POISON for b in bodies]
        assert await stored(pool) == [1, 1, 1, 1]

    async def test_tries_once_more_when_the_connection_breaks_under_it(
        self, pool: asyncpg.Pool, writer: Writer
    ) -> None:
        job_id = await make_job(pool, Status.RUNNING)
        async with transaction(pool) as other:
            await other.execute("select from beats for update")
            answer = Group(writer).add(beat_of(job_id, 1))
            await until(lambda: pool.fetchval(CUT))

        assert await answer is not None
        assert writer.groups == [1, 1]
        assert await stored(pool) == [1]

    async def test_tries_once_more_when_the_client_finds_its_connection_out_of_step(
        self, pool: asyncpg.Pool, writer: Writer
    ) -> None:
        job_id = await make_job(pool, Status.RUNNING)
        writer.fault, writer.failures = asyncpg.InternalClientError, 1

        assert await Group(writer).add(beat_of(job_id, 1)) is not None
        assert await stored(pool) == [1]

    @pytest.mark.parametrize(("failures", "tries"), [(1, 2), (2, 2)])
    async def test_answers_503_when_the_second_try_fails_too_and_goes_on_with_the_next(
        self, pool: asyncpg.Pool, writer: Writer, failures: int, tries: int
    ) -> None:
        job_id = await make_job(pool, Status.RUNNING)
        group = Group(writer)
        writer.failures = failures

        (answer,) = await asyncio.gather(group.add(beat_of(job_id, 1)), return_exceptions=True)

        assert len(writer.groups) == tries
        if failures == 2:
            assert isinstance(answer, Unavailable)
            assert answer.retry_after >= 1
        assert await group.add(beat_of(job_id, 2)) is not None
        assert await stored(pool) == ([2] if failures == 2 else [1, 2])

    async def test_leaves_nobody_waiting_whatever_goes_wrong(
        self, pool: asyncpg.Pool, writer: Writer
    ) -> None:
        job_id = await make_job(pool, Status.RUNNING)
        group = Group(writer, largest=1)
        writer.fault, writer.failures = RuntimeError, 1

        first, second = await asyncio.gather(
            *(group.add(beat_of(job_id, n)) for n in (1, 2)), return_exceptions=True
        )

        assert isinstance(first, RuntimeError)
        assert isinstance(second, Fence)

    async def test_refuses_at_once_past_its_bound_and_writes_what_it_took(
        self, pool: asyncpg.Pool, writer: Writer
    ) -> None:
        job_id = await make_job(pool, Status.RUNNING)
        group = Group(writer, largest=2, bound=3)
        writer.gate.clear()
        taken = [group.add(beat_of(job_id, 0))]
        await asyncio.sleep(0)
        taken += [group.add(beat_of(job_id, n)) for n in (1, 2, 3)]

        with pytest.raises(Unavailable) as refused:
            group.add(beat_of(job_id, 4))

        assert refused.value.retry_after >= 1
        writer.gate.set()
        await asyncio.gather(*taken)
        assert await stored(pool) == [0, 1, 2, 3]

    async def test_commits_what_it_took_before_it_closes_though_nobody_waits(
        self, pool: asyncpg.Pool, writer: Writer
    ) -> None:
        job_id = await make_job(pool, Status.RUNNING)
        group = Group(writer, largest=2)
        for sequence in range(7):
            group.add(beat_of(job_id, sequence)).cancel()

        await group.close()

        assert await stored(pool) == list(range(7))


class TestRecorder:
    """It keeps its connection while groups follow each other."""

    async def test_returns_the_connection_once_nothing_waits(self, pool: asyncpg.Pool) -> None:
        job_id = await make_job(pool, Status.RUNNING)
        recorder = beat.Recorder(pool, lambda: NOW)
        await recorder([beat_of(job_id, 1)])
        assert pool.get_idle_size() == pool.get_size() - 1

        group = Group(recorder, rest=recorder.rest)
        await group.add(beat_of(job_id, 2))
        await group.close()

        assert pool.get_idle_size() == pool.get_size()
        assert await stored(pool) == [1, 2]

    async def test_takes_another_where_its_own_was_cut(self, pool: asyncpg.Pool) -> None:
        job_id = await make_job(pool, Status.RUNNING)
        recorder = beat.Recorder(pool, lambda: NOW)
        await recorder([beat_of(job_id, 1)])
        await pool.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()"
        )

        group = Group(recorder, rest=recorder.rest)
        assert await group.add(beat_of(job_id, 2)) is not None

        await group.close()
        assert await stored(pool) == [1, 2]

    async def test_lets_others_have_the_only_connection_now_and_then(
        self, database: Database
    ) -> None:
        settings = DatabaseSettings(url=database.url, pool_size=1)
        pool = await postgres.open_pool(settings)
        job_id = await make_job(pool, Status.RUNNING)
        recorder = beat.Recorder(pool, lambda: NOW)
        asked = asyncio.Event()

        async def beat_without_end() -> None:
            for sequence in count():
                await recorder([beat_of(job_id, sequence)])
                asked.set()

        beating = asyncio.create_task(beat_without_end())
        await asked.wait()
        fence = await asyncio.wait_for(beat.read_fence(pool, job_id), 10)

        assert fence.open
        assert not beating.done()
        beating.cancel()
        await asyncio.wait([beating])
        await postgres.close_pool(pool)
