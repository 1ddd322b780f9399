"""How attempts end when nobody says so: rules 18 and 19."""

from uuid import UUID

import pytest

from common.jobs import ending
from common.jobs.ending import Ending
from common.jobs.retry import RetryRules
from common.launch.cluster import Cluster
from common.postgres import transaction
from common.sync import spool
from tests.world import RULES, World

EXIT_3 = "import sys; print('Traceback'); print('RuntimeError: CUDA error: sick'); sys.exit(3)"
EXIT_0 = "print('all good')"
SUCCEEDED = {"outcome": "succeeded", "metrics": {"loss": 0.1}}
FAILED = {"outcome": "failed", "errorClass": "user", "message": "bad data"}
BAD_DATA = "bad data. Correct the program or its parameters; its log has the whole story."
WITHOUT_A_RESULT = (
    "ended without a result. The program ended well but told no result: let it call finish, or run"
    " it by the runner."
)


async def tell_done(world: World, job_id: UUID) -> None:
    rules = RetryRules.parse(RULES.read_bytes())
    async with transaction(world.pool) as connection:
        await ending.end(
            connection,
            Ending(job_id, 1, "succeeded", done=SUCCEEDED),
            source="done",
            rules=rules,
            now=world.now(),
            jitter=lambda: 0.5,
        )


class TestEnding:
    async def test_takes_a_running_pod_for_a_first_sign_of_life(self, world: World):
        job_id = await world.start()
        assert await world.events(job_id) == ["submitted", "queued", "started"]
        observed = (await world.row(job_id))["observed"]
        assert (observed["phase"], observed["job"]) == ("Running", "active")

    async def test_leaves_a_trainer_its_time_to_say_how_it_ended(self, world: World):
        job_id = await world.end(EXIT_0)
        await world.tick()
        assert await world.status(job_id) == "queued"
        await world.tick(after=31)
        assert await world.status(job_id) == "failed"

    async def test_fails_what_is_complete_without_a_result(self, world: World):
        job_id = await world.end(EXIT_0)
        await world.tick(after=31)
        row, attempt = await world.row(job_id), await world.attempt(job_id)
        assert (row["status"], row["status_reason"]) == ("failed", WITHOUT_A_RESULT)
        assert (attempt["error_class"], attempt["rule"]) == (
            "permanent",
            "ended-without-a-result",
        )

    async def test_classes_a_failed_pod_by_its_exit_code_and_log(self, world: World):
        job_id = await world.end(EXIT_3)
        await world.tick(after=31)
        row, attempt = await world.row(job_id), await world.attempt(job_id)
        assert (row["status"], row["attempt"], row["retry_count"]) == ("pending", 2, 1)
        assert (attempt["rule"], attempt["exit_code"]) == ("gpu-fault", 3)
        assert attempt["evidence"]["logLine"] == "RuntimeError: CUDA error: sick"

    async def test_launches_the_next_attempt_once_it_is_due(self, world: World):
        job_id = await world.end(EXIT_3)
        await world.tick(after=31)
        assert await world.cluster.job(job_id, 2) is None
        await world.tick(after=31)
        assert await world.cluster.job(job_id, 2)
        assert await world.events(job_id) == ["submitted", "queued", "retry_scheduled", "queued"]

    async def test_launches_the_next_attempt_at_once_where_it_need_not_wait(self, world: World):
        job_id = await world.end(EXIT_3)
        await world.pool.execute("update jobs set backoff_seconds = 0")
        await world.tick(after=31)
        assert await world.cluster.job(job_id, 2)

    async def test_believes_the_result_rather_than_the_pods_end(self, world: World):
        job_id = await world.end(EXIT_3)
        await world.leave_result(job_id, {"done": SUCCEEDED})
        await world.tick()
        assert await world.status(job_id) == "succeeded"
        assert (await world.attempt(job_id))["done"]["metrics"] == {"loss": 0.1}
        assert await world.events(job_id) == ["submitted", "queued", "started", "succeeded"]

    async def test_believes_done_rather_than_the_result(self, world: World):
        job_id = await world.end(EXIT_0)
        await tell_done(world, job_id)
        await world.leave_result(job_id, {"done": FAILED})
        await world.tick(after=31)
        await world.tick(after=31)
        assert await world.status(job_id) == "succeeded"

    async def test_fails_as_the_result_says(self, world: World):
        job_id = await world.end(EXIT_3)
        await world.leave_result(job_id, {"done": FAILED})
        await world.tick()
        row, attempt = await world.row(job_id), await world.attempt(job_id)
        assert (row["status"], row["status_reason"]) == ("failed", BAD_DATA)
        assert attempt["rule"] == "trainer-says-user"

    async def test_keeps_what_was_spooled(self, world: World):
        job_id = await world.end(EXIT_0)
        uri = f"s3://{world.storage.bucket}/jobs/{job_id}/1/checkpoints/a"
        saved = {"name": "a", "uri": uri, "sha256": "0" * 64, "size": 1, "step": 3}
        at = "2026-01-01T00:00:00Z"
        await world.leave_result(
            job_id,
            {
                "done": SUCCEEDED,
                "heartbeats": [{"sequence": 7, "step": 3, "metrics": {"loss": 0.5}}, {"no": 1}],
                "events": [
                    {"id": "e1", "type": "checkpoint_saved", "payload": saved, "occurredAt": at},
                    {"id": "e1", "type": "checkpoint_saved", "payload": saved, "occurredAt": at},
                    {"id": "e2", "type": "log", "payload": {"lines": ["x"]}, "occurredAt": at},
                    {"id": "e3", "type": "checkpoint_saved", "payload": {}, "occurredAt": at},
                ],
            },
        )
        await world.tick()
        assert await world.status(job_id) == "succeeded"
        beats = await world.pool.fetch("select sequence from heartbeats")
        told = await world.pool.fetch("select type from reports order by number")
        assert [row["sequence"] for row in beats] == [7]
        assert [row["type"] for row in told] == ["checkpoint_saved", "log"]
        assert await world.pool.fetchval("select count(*) from checkpoints") == 1

    async def test_folds_spooled_runs_as_the_callback_would_have(self, world: World):
        job_id = await world.end(EXIT_0)
        begun = {"op": "run", "run": "a" * 32, "name": "tree", "main": True}
        event = {"type": "mlflow", "occurredAt": "2026-01-01T00:00:00Z"}
        spooled = [
            event | {"id": "e1", "payload": {"ops": [begun]}},
            event | {"id": "e1", "payload": {"ops": [begun]}},
            event | {"id": "e2", "payload": {"ops": [{"op": "dance"}]}},
            event | {"id": "e3", "payload": {"ops": [begun | {"name": "oak"}]}},
        ]
        await world.leave_result(job_id, {"done": SUCCEEDED, "events": spooled})
        await world.tick()
        run = await world.pool.fetchrow("select run, main, name from experiment_runs")
        assert tuple(run) == ("a" * 32, True, "oak")
        assert await world.pool.fetchval("select count(*) from reports") == 2

    @pytest.mark.parametrize(
        "body",
        ["no json \ud800", {"done": {"outcome": "maybe"}}, {"heartbeats": 3}, [1], {"done": None}],
    )
    async def test_takes_a_result_that_says_nothing_for_none(self, world: World, body: object):
        job_id = await world.end(EXIT_0)
        await world.leave_result(job_id, body)
        await world.tick(after=31)
        assert (await world.row(job_id))["status_reason"] == WITHOUT_A_RESULT

    @pytest.mark.parametrize(
        "odd",
        [
            {"id": "".join(map(chr, range(0x4E00, 0x4E00 + 4000)))},
            {"occurredAt": "0001-01-01T00:00:00+14:00"},
            {"occurredAt": "9999-12-31T23:59:59-14:00"},
        ],
    )
    async def test_ends_whatever_else_the_result_holds(self, world: World, odd: dict[str, object]):
        job_id = await world.end(EXIT_0)
        plain = {"id": "e1", "type": "log", "payload": {}, "occurredAt": "2026-01-01T00:00:00Z"}
        await world.leave_result(
            job_id, {"done": SUCCEEDED, "events": [plain | odd, plain | {"id": "e2"}]}
        )
        await world.tick()
        assert await world.status(job_id) == "succeeded"
        assert await world.pool.fetchval("select count(*) from reports") == 1
        await world.tick(after=31)
        assert (await world.attempt(job_id))["settled_at"]

    async def test_keeps_no_more_than_a_tick_has_time_for(self, world: World):
        job_id = await world.end(EXIT_0)
        beats = [{"sequence": n} for n in range(spool.MOST + 5)]
        await world.leave_result(job_id, {"done": SUCCEEDED, "heartbeats": beats})
        await world.tick()
        assert await world.status(job_id) == "succeeded"
        kept = await world.pool.fetchrow("select min(sequence), max(sequence) from heartbeats")
        assert tuple(kept or ()) == (5, spool.MOST + 4)

    async def test_outlives_a_last_word_that_no_text_can_hold(self, world: World):
        other = await world.start()
        job_id = await world.end("import sys; print('a\\0b', flush=True); sys.exit(1)")
        await world.tick(after=31)
        assert await world.status(job_id) == "failed"
        assert await world.status(other) == "running"

    async def test_waits_while_the_log_cannot_be_had(self, world: World):
        job_id = await world.end(EXIT_3)
        fault = world.cluster.faults.add("unavailable", resource="pods/log", times=None)
        await world.tick(after=31)
        assert await world.status(job_id) == "queued"
        world.cluster.faults.clear(fault)
        await world.tick()
        assert (await world.attempt(job_id))["rule"] == "gpu-fault"

    async def test_goes_without_the_log_of_a_node_that_stays_away(self, world: World):
        job_id = await world.end(EXIT_3)
        world.cluster.faults.add("unavailable", resource="pods/log", times=None)
        await world.tick(after=600)
        assert await world.status(job_id) == "queued"
        await world.tick(after=600)
        assert (await world.attempt(job_id))["exit_code"] == 3
        await world.tick(after=31)
        assert (await world.attempt(job_id))["settled_at"]

    async def test_retries_an_evicted_pod_from_a_budget_of_its_own(self, world: World):
        job_id = await world.start(max_retries=0)
        pod = await world.cluster.pod(job_id)
        assert pod
        world.cluster.server.evict("trainers", pod["metadata"]["name"])
        await world.until_job_is_over(job_id)
        await world.tick(after=31)
        row = await world.row(job_id)
        assert (row["status"], row["attempt"]) == ("pending", 2)
        assert (row["retry_count"], row["preemption_count"]) == (0, 1)


class TestSettling:
    async def test_lets_a_job_expire_only_once_its_evidence_is_kept(self, world: World):
        job_id = await world.end(EXIT_0)
        await world.tick(after=31)
        job = await world.cluster.job(job_id)
        assert job
        assert "ttlSecondsAfterFinished" not in job["spec"]
        await world.tick()
        attempt = await world.attempt(job_id)
        assert attempt["settled_at"]
        key = attempt["log_uri"].removeprefix(f"s3://{world.storage.bucket}/")
        assert await world.objects.get_bytes(key) == b"all good\n"
        await world.tick()
        job = await world.cluster.job(job_id)
        assert job
        assert job["spec"]["ttlSecondsAfterFinished"] == 3600

    async def test_keeps_the_job_while_its_log_cannot_be_kept(self, world: World):
        job_id = await world.end(EXIT_0)
        await world.tick(after=31)
        fault = world.cluster.faults.add("internal", resource="pods/log", times=None)
        await world.tick()
        await world.tick()
        job = await world.cluster.job(job_id)
        assert job
        assert "ttlSecondsAfterFinished" not in job["spec"]
        assert not (await world.attempt(job_id))["settled_at"]
        world.cluster.faults.clear(fault)
        await world.tick()
        assert (await world.attempt(job_id))["settled_at"]

    async def test_settles_an_attempt_whose_job_is_gone(self, world: World):
        job_id = await world.end(EXIT_0)
        await world.tick(after=31)
        job = await world.cluster.job(job_id)
        assert job
        client: Cluster = world.cluster.client
        await client.delete("jobs", job["metadata"]["name"], uid=job["metadata"]["uid"])
        await world.until_gone(job_id)
        await world.tick(after=31)
        attempt = await world.attempt(job_id)
        assert (bool(attempt["settled_at"]), attempt["log_uri"]) == (True, None)
