"""Retention: rule 24."""

from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from common.jobs.state import Status, Trigger
from common.postgres import transaction
from common.storage import address
from common.storage.objects import open_objects
from common.sync import archive
from common.sync.retention import Retention
from common.sync.sweep import look, sweep
from common.tracking.fold import fold
from tests.jobs import NOW, PROJECT, apply, intent_of, make_job
from tests.kubernetes import request_of
from tests.world import World

DAY = timedelta(days=1)
LATER = NOW + DAY * 500


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


async def pack_all(world: World, now: datetime) -> None:
    while await archive.draw(world.pool, now=now):
        pass
    while await archive.pack_due(world.pool, now=now, before=now - DAY):
        pass


class TestSweep:
    async def test_deletes_what_is_old_and_nothing_else(self, world: World):
        old = await make_job(world.pool, Status.SUCCEEDED)
        live = await make_job(world.pool, Status.RUNNING)
        for job_id in (old, live):
            await world.pool.execute(
                "insert into heartbeats values ($1, 1, 1, $2, '{}')", job_id, NOW
            )
            for number, kind in enumerate(("log", "epoch_end")):
                await world.pool.execute(
                    "insert into reports values ($1, $2, 1, $3, $3, '{}', $4, $4)",
                    job_id,
                    number,
                    kind,
                    NOW,
                )
        await world.pool.execute("update job_events set published_at = now()")
        await world.pool.execute("update work set state = 'done', finished_at = $1", NOW)
        await world.pool.execute(
            "insert into idempotency_keys values ($1, 'ada', 'k', 'd', $2, $3)", PROJECT, old, NOW
        )
        await pack_all(world, NOW + DAY * 2)
        await sweep(world.pool, world.objects, Retention(), now=NOW + DAY * 2)
        assert [await count(world, table) for table in ("heartbeats", "packs")] == [1, 1]
        assert await count(world, "reports") == 4
        await sweep(world.pool, world.objects, Retention(), now=LATER)
        for table in ("heartbeats", "job_events", "reports"):
            kept = await world.pool.fetch(f"select distinct job_id from {table}")
            assert [row["job_id"] for row in kept] == [live]
        assert [await count(world, table) for table in ("packs", "courses")] == [0, 0]
        assert await count(world, "reports") == 2
        assert await count(world, "work") == 0
        assert await count(world, "idempotency_keys") == 0
        assert await count(world, "jobs") == 2

    async def test_keeps_an_event_that_no_broker_has(self, world: World):
        await make_job(world.pool, Status.SUCCEEDED)
        await sweep(world.pool, world.objects, Retention(), now=LATER)
        assert await count(world, "job_events") == 4

    async def test_deletes_experiment_runs_as_old_as_the_timeline(self, world: World):
        for status in (Status.SUCCEEDED, Status.RUNNING):
            job_id = await make_job(world.pool, status)
            ops = [
                {"op": "run", "run": "a" * 32, "main": True},
                {"op": "model", "model": f"m-{'b' * 32}", "run": "a" * 32},
            ]
            async with transaction(world.pool) as connection:
                await fold(connection, job_id, 1, {"ops": ops}, now=NOW)
        await sweep(world.pool, world.objects, Retention(), now=NOW + DAY * 399)
        assert await count(world, "experiment_runs") == 2
        await sweep(world.pool, world.objects, Retention(), now=LATER)
        for table in ("experiment_runs", "logged_models"):
            rows = await world.pool.fetch(f"select job_id from {table}")
            assert [row["job_id"] for row in rows] == [job_id]

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
        assert [row["number"] for row in kept] == [0, 1, 2]

    async def test_sweeps_a_job_once_and_not_while_another_starts_from_it(self, world: World):
        job_id = await make_job(world.pool, Status.SUCCEEDED)
        key = await checkpoint(world, job_id, 1, None)
        uri = f"s3://{world.storage.bucket}/{key}"
        other = await make_job(
            world.pool, request=request_of(resolved={"checkpoint": {"uri": uri}})
        )
        none = Retention(checkpoints=0)
        await sweep(world.pool, world.objects, none, now=LATER)
        assert await world.objects.head(key)
        await apply(world.pool, intent_of(other, Trigger.CANCEL_ASKED))
        await sweep(world.pool, world.objects, none, now=LATER)
        assert await world.objects.head(key) is None
        assert await count(world, "jobs where swept_at is null") == 0

    async def test_deletes_the_objects_of_rows_that_were_deleted_before_it_died(self, world: World):
        job_id = await make_job(world.pool, Status.SUCCEEDED)
        keys = [await checkpoint(world, job_id, number, None) for number in range(2)]
        await world.pool.execute("delete from checkpoints where number = 0")
        await sweep(world.pool, world.objects, Retention(), now=LATER)
        assert [bool(await world.objects.head(key)) for key in keys] == [False, True]

    async def test_keeps_an_artifact_that_lies_among_checkpoints(self, world: World):
        job_id = await make_job(world.pool, Status.SUCCEEDED)
        keys = [await checkpoint(world, job_id, number, None) for number in range(3)]
        await world.pool.execute(
            "insert into artifacts values ($1, 1, 'model', $2, null, 1, now())",
            job_id,
            f"s3://{world.storage.bucket}/{keys[0]}",
        )
        await world.pool.execute(
            "update jobs set output_model_storage_uri = $1",
            f"s3://{world.storage.bucket}/{keys[1]}",
        )
        await sweep(world.pool, world.objects, Retention(checkpoints=0), now=LATER)
        assert [bool(await world.objects.head(key)) for key in keys] == [True, True, False]

    async def test_deletes_dead_letters_by_their_day(self, world: World):
        days = [date(2026, 1, 1), date(2026, 3, 1), date(2027, 5, 1)]
        keys = [address.dead_letter_key(day, "letter") for day in days]
        for key in keys:
            await world.objects.put_bytes(key, b"{}")
        await sweep(world.pool, world.objects, Retention(), now=LATER)
        assert [bool(await world.objects.head(key)) for key in keys] == [False, False, True]

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

    async def test_reads_every_page_of_unfinished_uploads(self, world: World):
        for number in range(5):
            await world.objects.start_upload(f"jobs/a/{number}/x")
        async with open_objects(world.storage, page_size=2) as objects:
            later = world.now() + timedelta(days=8)
            old = [each.key async for each in objects.uploads("jobs/a/", later)]
            assert sorted(old) == [f"jobs/a/{number}/x" for number in range(5)]
            assert not [each async for each in objects.uploads("jobs/a/", world.now() - DAY)]
            await sweep(world.pool, objects, Retention(), now=later)
            assert not [each async for each in objects.uploads("jobs/a/", later)]

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


class TestLook:
    async def test_finds_what_a_sweep_deletes_and_deletes_nothing(self, world: World):
        job_id = await make_job(world.pool, Status.SUCCEEDED)
        for number in range(5):
            await checkpoint(world, job_id, number, None)
        await world.pool.execute("insert into heartbeats values ($1, 1, 1, $2, '{}')", job_id, NOW)
        await pack_all(world, NOW + DAY * 2)
        await world.pool.execute("update job_events set published_at = now()")
        await world.objects.put_bytes(address.dead_letter_key(NOW.date(), "letter"), b"{}")
        looked = [await look(world.pool, world.objects, Retention(), now=LATER) for _ in range(2)]
        assert looked[0] == looked[1]
        found = {each.kind: (each.rows, each.objects) for each in looked[0]}
        assert found["timeline"] == (4, 0)
        assert found["checkpoints"] == (2, 2)
        assert found["heartbeats"] == (1, 0)
        assert found["dead letters"] == (0, 1)
        assert await count(world, "checkpoints") == 5
        await sweep(world.pool, world.objects, Retention(), now=LATER)
        left = await look(world.pool, world.objects, Retention(), now=LATER)
        assert not any(each.rows or each.objects or each.more for each in left)

    async def test_finds_nothing_while_all_is_young(self, world: World):
        job_id = await make_job(world.pool, Status.SUCCEEDED)
        await checkpoint(world, job_id, 1, None)
        found = await look(world.pool, world.objects, Retention(), now=NOW + DAY / 2)
        assert not any(each.rows or each.objects for each in found)
