"""Retention: rule 24."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from common.jobs.state import Status
from common.sync.sweep import Retention, sweep
from tests.jobs import NOW, PROJECT, make_job
from tests.kubernetes import request_of
from tests.world import World

LATER = NOW + timedelta(days=500)


async def checkpoint(world: World, job_id: UUID, number: int, loss: float | None) -> str:
    key = f"jobs/{job_id}/1/checkpoints/c{number}"
    await world.objects.put_bytes(key, b"x")
    await world.pool.execute(
        "insert into checkpoints (id, job_id, attempt, number, name, uri, sha256, size, metrics, "
        "created_at) values (gen_random_uuid(), $1, 1, $2, $3, $4, '', 1, $5, now())",
        job_id,
        number,
        f"c{number}",
        f"s3://{world.storage.bucket}/{key}",
        None if loss is None else {"loss": loss},
    )
    return key


async def count(world: World, table: str) -> int:
    return await world.pool.fetchval(f"select count(*) from {table}")


class TestSweep:
    async def test_deletes_what_is_old_and_nothing_else(self, world: World):
        old = await make_job(world.pool, Status.SUCCEEDED)
        live = await make_job(world.pool, Status.RUNNING)
        for job_id in (old, live):
            await world.pool.execute(
                "insert into heartbeats values ($1, 1, 1, now(), '{}')", job_id
            )
            for number, kind in enumerate(("log", "epoch_end")):
                await world.pool.execute(
                    "insert into reports values ($1, $2, 1, $3, $3, '{}', now(), now())",
                    job_id,
                    number,
                    kind,
                )
        await world.pool.execute("update job_events set published_at = now()")
        await world.pool.execute("update work set state = 'done', finished_at = $1", NOW)
        await world.pool.execute(
            "insert into idempotency_keys values ($1, 'ada', 'k', 'd', $2, $3)", PROJECT, old, NOW
        )
        await sweep(world.pool, world.objects, Retention(), now=NOW)
        assert await count(world, "heartbeats") == 2
        assert await count(world, "idempotency_keys") == 1
        await sweep(world.pool, world.objects, Retention(), now=LATER)
        for table in ("heartbeats", "job_events"):
            kept = await world.pool.fetch(f"select distinct job_id from {table}")
            assert [row["job_id"] for row in kept] == [live]
        reports = await world.pool.fetch("select job_id, type from reports order by 1, 2")
        assert {(row["job_id"], row["type"]) for row in reports} == {
            (old, "epoch_end"),
            (live, "epoch_end"),
            (live, "log"),
        }
        assert await count(world, "work") == 0
        assert await count(world, "idempotency_keys") == 0
        assert await count(world, "jobs") == 2

    async def test_keeps_an_event_that_no_broker_has(self, world: World):
        await make_job(world.pool, Status.SUCCEEDED)
        await sweep(world.pool, world.objects, Retention(), now=LATER)
        assert await count(world, "job_events") == 4

    async def test_keeps_the_newest_checkpoints_and_the_best(self, world: World):
        job_id = await make_job(world.pool, Status.SUCCEEDED)
        losses = [0.9, 0.1, None, 0.5, 0.4, 0.3]
        keys = [await checkpoint(world, job_id, n, loss) for n, loss in enumerate(losses)]
        await sweep(world.pool, world.objects, Retention(checkpoints=2), now=LATER)
        kept = await world.pool.fetch("select number from checkpoints order by number")
        assert [row["number"] for row in kept] == [1, 4, 5]
        there = [bool(await world.objects.head(key)) for key in keys]
        assert there == [False, True, False, False, True, True]

    async def test_keeps_the_checkpoints_of_what_still_runs(self, world: World):
        job_id = await make_job(world.pool, Status.RUNNING)
        for number in range(5):
            await checkpoint(world, job_id, number, None)
        await sweep(world.pool, world.objects, Retention(checkpoints=1), now=LATER)
        assert await count(world, "checkpoints") == 5

    async def test_keeps_a_checkpoint_that_another_job_starts_from(self, world: World):
        job_id = await make_job(world.pool, Status.SUCCEEDED)
        keys = [await checkpoint(world, job_id, number, None) for number in range(3)]
        uri = f"s3://{world.storage.bucket}/{keys[0]}"
        await make_job(world.pool, request=request_of(resolved={"checkpoint": {"uri": uri}}))
        await sweep(world.pool, world.objects, Retention(checkpoints=1), now=LATER)
        kept = await world.pool.fetch("select number from checkpoints order by number")
        assert [row["number"] for row in kept] == [0, 2]

    async def test_deletes_old_logs_from_the_store(self, world: World):
        job_id = await make_job(world.pool, Status.SUCCEEDED)
        key = f"jobs/{job_id}/1/pod.log"
        await world.objects.put_bytes(key, b"x")
        await world.pool.execute(
            "update attempts set log_uri = $1", f"s3://{world.storage.bucket}/{key}"
        )
        await sweep(world.pool, world.objects, Retention(), now=LATER)
        assert await world.objects.head(key) is None
        assert await world.pool.fetchval("select log_uri from attempts") is None

    @pytest.mark.parametrize(
        "key",
        ["jobs/a/1/artifacts/big", "datasets/d/big", "projects/p/models/m/big", "models/m/1/big"],
    )
    async def test_gives_up_uploads_that_nobody_finished(self, world: World, key: str):
        upload = await world.objects.start_upload(key)
        await sweep(world.pool, world.objects, Retention(), now=world.now())
        etag = await world.objects.put_part(key, upload, 1, b"x" * 10)
        assert etag
        await sweep(world.pool, world.objects, Retention(), now=world.now() + timedelta(days=8))
        with pytest.raises(Exception, match=r"no such object|NoSuchUpload"):
            await world.objects.put_part(key, upload, 2, b"x" * 10)

    async def test_takes_small_steps_and_says_that_there_is_more(self, world: World):
        rows: list[Any] = [(PROJECT, "ada", str(n), "d", PROJECT, NOW) for n in range(1200)]
        await world.pool.copy_records_to_table("idempotency_keys", records=rows)
        left: list[int] = []
        while await sweep(world.pool, world.objects, Retention(), now=LATER):
            left.append(await count(world, "idempotency_keys"))
        assert left == [700, 200]

    async def test_comes_again_at_once_while_there_is_more(self, world: World):
        rows: list[Any] = [(PROJECT, "ada", str(n), "d", PROJECT, NOW) for n in range(1200)]
        await world.pool.copy_records_to_table("idempotency_keys", records=rows)
        for _ in range(4):
            await world.tick()
        assert await count(world, "idempotency_keys") == 0
        await world.pool.copy_records_to_table("idempotency_keys", records=rows)
        await world.tick()
        assert await count(world, "idempotency_keys") == 1200
