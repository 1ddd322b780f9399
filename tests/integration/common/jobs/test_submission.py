"""Rule 8: a model's address is reserved by the submission that comes first."""

import asyncio
from uuid import UUID, uuid4

import asyncpg
import pytest

from common.errors import Invalid
from common.jobs import submission
from common.jobs.submission import Submission, Submitted
from common.postgres import transaction
from tests.jobs import NOW, make_dataset, submission_of


async def submit(pool: asyncpg.Pool, made: Submission) -> Submitted | Invalid:
    try:
        async with transaction(pool) as connection:
            return await submission.submit(connection, made, key=None, now=NOW)
    except Invalid as refused:
        return refused


class TestReservation:
    async def test_goes_to_one_of_two_that_race_for_a_version(self, pool: asyncpg.Pool) -> None:
        """The second has looked for nothing and found nothing: it waits for the first."""
        names = {"output_model_name": "digits", "output_model_version": "1"}
        first, second = submission_of(**names), submission_of(**names)
        async with transaction(pool) as connection:
            await submission.submit(connection, first, key=None, now=NOW)
            waiting = asyncio.create_task(submit(pool, second))
            done, _ = await asyncio.wait([waiting], timeout=0.1)
            assert not done

        refused = await waiting
        assert isinstance(refused, Invalid)
        assert [violation.field for violation in refused.violations] == ["outputModelVersion"]
        assert [row["id"] for row in await pool.fetch("select id from jobs")] == [first.id]

    async def test_goes_to_the_second_where_the_first_is_rolled_back(
        self, pool: asyncpg.Pool
    ) -> None:
        names = {"output_model_name": "digits", "output_model_version": "1"}
        async with pool.acquire() as connection:
            first = connection.transaction()
            await first.start()
            await submission.submit(connection, submission_of(**names), key=None, now=NOW)
            second = submission_of(**names)
            waiting = asyncio.create_task(submit(pool, second))
            await asyncio.wait([waiting], timeout=0.1)
            await first.rollback()

        assert isinstance(await waiting, Submitted)
        assert await owners(pool) == {"1": second.id}

    @pytest.mark.parametrize("crowd", [10])
    async def test_gives_each_of_many_that_ask_for_the_next_version_its_own(
        self, pool: asyncpg.Pool, crowd: int
    ) -> None:
        made = [submission_of(output_model_name="digits") for _ in range(crowd)]

        answers = await asyncio.gather(*(submit(pool, each) for each in made))

        assert all(isinstance(answer, Submitted) for answer in answers)
        reserved = await owners(pool)
        assert reserved.keys() == {str(n) for n in range(1, crowd + 1)}
        assert set(reserved.values()) == {each.id for each in made}


async def owners(pool: asyncpg.Pool) -> dict[str, UUID]:
    return dict(await pool.fetch("select version, job_id from model_reservations"))


class TestInputs:
    async def test_are_refused_once_they_are_deleted(self, pool: asyncpg.Pool) -> None:
        refused = await submit(pool, submission_of(dataset_id=uuid4(), model_id=uuid4()))

        assert isinstance(refused, Invalid)
        assert [violation.field for violation in refused.violations] == ["datasetId", "modelId"]
        assert await pool.fetchval("select count(*) from jobs") == 0

    async def test_cannot_be_deleted_until_the_job_is_there(self, pool: asyncpg.Pool) -> None:
        dataset_id = await make_dataset(pool)
        async with transaction(pool) as connection:
            made = submission_of(dataset_id=dataset_id)
            await submission.submit(connection, made, key=None, now=NOW)
            lock = "select from datasets where id = $1 for update"
            waiting = asyncio.create_task(pool.execute(lock, dataset_id))
            done, _ = await asyncio.wait([waiting], timeout=0.1)
            assert not done

        await waiting
