"""Rules 3, 7 and 30: what the last attempt may still do once its job is over, through the real
functions, and what stays reachable of a job that did not succeed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest
import pytest_asyncio

from common.jobs.state import TERMINAL, Status
from functions.done.app import create_app as create_done
from functions.event.app import create_app as create_event
from functions.heartbeat.app import create_app as create_heartbeat
from functions.history.app import create_app as create_history
from tests.asgi import serving
from tests.catalogue import bearer
from tests.jobs import make_job
from tests.keys import job_token_for

WHEN = "2026-01-01T12:00:00Z"
ENDED = sorted(TERMINAL)


class Functions:
    """What a trainer calls, and what its owner looks at."""

    def __init__(self, clients: dict[str, httpx.AsyncClient]) -> None:
        self._clients = clients

    async def tell(self, job_id: UUID, what: str, body: Any) -> httpx.Response:
        client = self._clients["done" if what == "addresses" else what]
        headers = {"authorization": f"Bearer {job_token_for(job_id, 1, datetime.now(UTC))}"}
        return await client.post(f"/v1/jobs/{job_id}/{what}", json=body, headers=headers)

    async def show(self, job_id: UUID, what: str) -> Any:
        path = f"/llm-ops/v1/training/jobs/{job_id}/{what}"
        answer = await self._clients["history"].get(path, headers=bearer())
        assert answer.status_code == 200, answer.text
        return answer.json()["data"][what]


@pytest_asyncio.fixture
async def functions(environ: dict[str, str]) -> AsyncIterator[Functions]:
    creates = {
        "heartbeat": create_heartbeat,
        "event": create_event,
        "done": create_done,
        "history": create_history,
    }
    async with AsyncExitStack() as stack:
        yield Functions(
            {
                name: await stack.enter_async_context(serving(create(environ)))
                for name, create in creates.items()
            }
        )


async def state(pool: asyncpg.Pool) -> list[str]:
    tables = ("jobs", "attempts", "work")
    rows = [await pool.fetch(f"select * from {table} order by 1, 2") for table in tables]
    lines = await pool.fetch("select sequence, type from job_events order by 1")
    return [str(row) for found in (*rows, lines) for row in found]


@pytest.mark.parametrize("status", ENDED)
class TestTheLastAttempt:
    async def test_adds_points_logs_and_a_late_checkpoint_and_changes_no_state(
        self, pool: asyncpg.Pool, functions: Functions, status: Status
    ) -> None:
        job_id = await make_job(pool, status)
        before = await state(pool)
        point = {"name": "loss", "value": 0.5, "step": 3}
        log = {"lines": ["the last line"], "stream": "stdout", "offset": 0}
        prefix = f"s3://eventrain/jobs/{job_id}/1/"
        saved = {"name": "c", "uri": f"{prefix}checkpoints/c", "sha256": "a" * 64, "size": 1}
        events = [("log", log), ("checkpoint_saved", saved)]

        answers = [
            await functions.tell(job_id, "heartbeat", {"sequence": 9, "points": [point]}),
            *[
                await functions.tell(
                    job_id, "event", {"type": type_, "payload": payload, "occurredAt": WHEN}
                )
                for type_, payload in events
            ],
        ]

        assert [answer.status_code for answer in answers] == [200, 200, 200]
        assert answers[0].json()["data"]["command"] == "stop"
        assert await state(pool) == before
        assert [p["value"] for p in await functions.show(job_id, "points")] == [0.5]
        (checkpoint,) = await functions.show(job_id, "checkpoints")
        assert f"/jobs/{job_id}/1/checkpoints/c?" in checkpoint["url"]

    async def test_still_uploads_what_it_has(
        self, pool: asyncpg.Pool, functions: Functions, status: Status
    ) -> None:
        job_id = await make_job(pool, status)

        answer = await functions.tell(
            job_id, "addresses", {"puts": [{"name": "checkpoints/last", "size": 1}]}
        )

        assert answer.status_code == 200
        assert "X-Amz-Signature" in answer.json()["data"]["puts"][0]["url"]

    @pytest.mark.parametrize("outcome", ["succeeded", "failed"])
    async def test_ends_it_no_other_way(
        self, pool: asyncpg.Pool, functions: Functions, status: Status, outcome: str
    ) -> None:
        """None of these told of its end: so there is no end to repeat."""
        job_id = await make_job(pool, status)
        before = await state(pool)

        answer = await functions.tell(job_id, "done", {"outcome": outcome})

        assert answer.status_code == 409
        assert await state(pool) == before


class TestOneEnd:
    @pytest.mark.parametrize("outcome", ["succeeded", "failed"])
    async def test_told_many_times_at_once_is_one(
        self, pool: asyncpg.Pool, functions: Functions, outcome: str
    ) -> None:
        job_id = await make_job(pool, Status.RUNNING)
        body = {"outcome": outcome, "errorClass": None if outcome == "succeeded" else "user"}

        answers = await asyncio.gather(*(functions.tell(job_id, "done", body) for _ in range(8)))

        assert [answer.status_code for answer in answers] == [200] * 8
        assert {answer.json()["data"]["status"] for answer in answers} == {outcome}
        told = await pool.fetchval("select count(*) from job_events where status_to = $1", outcome)
        assert told == 1

    async def test_is_the_first_of_two_that_differ(
        self, pool: asyncpg.Pool, functions: Functions
    ) -> None:
        job_id = await make_job(pool, Status.RUNNING)
        bodies = [{"outcome": "succeeded"}, {"outcome": "failed", "errorClass": "user"}]

        answers = await asyncio.gather(*(functions.tell(job_id, "done", body) for body in bodies))

        assert sorted(answer.status_code for answer in answers) == [200, 409]
        won = next(answer for answer in answers if answer.status_code == 200)
        assert await pool.fetchval("select status from jobs") == won.json()["data"]["status"]

    async def test_that_led_to_a_retry_may_be_told_again_by_the_attempt_it_ended(
        self, pool: asyncpg.Pool, functions: Functions
    ) -> None:
        job_id = await make_job(pool, Status.RUNNING)
        failed = {"outcome": "failed", "errorClass": "transient"}
        await functions.tell(job_id, "done", failed)
        before = await state(pool)

        again = await functions.tell(job_id, "done", failed)
        other = await functions.tell(job_id, "done", {"outcome": "succeeded"})

        assert again.status_code == 200
        assert (other.status_code, other.json()["data"]["code"]) == (409, "STALE_ATTEMPT")
        assert await state(pool) == before
