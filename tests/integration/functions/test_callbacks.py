"""The callback functions with a real Postgres: tokens, fences, repeats, first signs of life."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
import pytest_asyncio

from common.jobs.state import Status, Trigger
from functions.done.app import create_app as create_done
from functions.event.app import create_app as create_event
from functions.heartbeat.app import create_app as create_heartbeat
from tests.asgi import serving
from tests.jobs import apply, intent_of, make_job
from tests.keys import OTHER_SECRET, forged, job_token_for, ring_json

WHEN = "2026-01-01T12:00:00Z"
BODIES: dict[str, dict[str, Any]] = {
    "heartbeat": {"sequence": 1, "epoch": 1, "metrics": {"loss": 0.5}},
    "event": {"type": "epoch_end", "payload": {"epoch": 1}, "occurredAt": WHEN},
    "addresses": {"puts": [{"name": "artifacts/model.bin", "size": 3}], "gets": []},
    "done": {"outcome": "succeeded"},
}
STATE = ("jobs", "attempts", "beats", "job_events", "work", "heartbeats", "reports", "artifacts")


class Functions:
    """The three functions behind one door, as the gateway makes them."""

    def __init__(self, clients: dict[str, httpx.AsyncClient]) -> None:
        self._clients = clients

    async def call(
        self,
        job_id: UUID,
        what: str,
        token: str | None,
        body: Any = None,
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        client = self._clients["done" if what == "addresses" else what]
        bearer = {"authorization": f"Bearer {token}"} if token is not None else {}
        sent = BODIES[what] if body is None else body
        content = sent if isinstance(sent, bytes | str) else json.dumps(sent)
        return await client.post(
            f"/v1/jobs/{job_id}/{what}", content=content, headers=bearer | (headers or {})
        )


@pytest_asyncio.fixture
async def functions(environ: dict[str, str]) -> AsyncIterator[Functions]:
    async with AsyncExitStack() as stack:
        yield Functions(
            {
                name: await stack.enter_async_context(serving(create(environ)))
                for name, create in (
                    ("heartbeat", create_heartbeat),
                    ("event", create_event),
                    ("done", create_done),
                )
            }
        )


def now() -> datetime:
    return datetime.now(UTC)


async def everything(pool: asyncpg.Pool) -> dict[str, list[str]]:
    """All rows, save what the publisher notes of its tries."""
    told = {"job_events": "id, job_id, sequence, type, at, attempt, status_from, status_to, data"}
    return {
        table: sorted(
            str(row) for row in await pool.fetch(f"select {told.get(table, '*')} from {table}")
        )
        for table in STATE
    }


async def timeline(pool: asyncpg.Pool, job_id: UUID) -> list[str]:
    rows = await pool.fetch(
        "select type from job_events where job_id = $1 order by sequence", job_id
    )
    return [row["type"].removeprefix("dev.eventrain.job.").removesuffix(".v1") for row in rows]


def wrong_tokens(job_id: UUID) -> dict[str, str | None]:
    long_ago = now() - timedelta(hours=7)
    return {
        "missing": None,
        "empty": "",
        "no token at all": "nonsense",
        "forged": forged(job_id, now(), secret=b"some other secret, long enough ......"),
        "expired": job_token_for(job_id, 1, long_ago),
        "alg none": forged(job_id, now(), secret=None, algorithm="none"),
        "another algorithm": forged(job_id, now(), secret=b"k" * 64, algorithm="HS512"),
        "another job": job_token_for(uuid4(), 1, now()),
        "for users": forged(job_id, now(), aud="eventrain-api"),
        "another scope": forged(job_id, now(), scope="anything"),
        "without an end": forged(job_id, now(), exp=None),
        "an unknown key": forged(job_id, now(), kid="k9"),
        "no key": forged(job_id, now(), kid=None),
        "a key under another's name": forged(job_id, now(), secret=OTHER_SECRET, kid="k2"),
        "attempt nought": forged(job_id, now(), attempt=0),
    }


class TestTokens:
    @pytest.mark.parametrize("what", list(BODIES))
    @pytest.mark.parametrize("wrong", list(wrong_tokens(uuid4())))
    async def test_refuses_a_token_that_is_wrong_without_effect(
        self, pool: asyncpg.Pool, functions: Functions, what: str, wrong: str
    ) -> None:
        job_id = await make_job(pool, Status.QUEUED)
        before = await everything(pool)

        answer = await functions.call(job_id, what, wrong_tokens(job_id)[wrong])

        assert answer.status_code == 401
        assert answer.json()["status"] == "fail"
        assert await everything(pool) == before

    @pytest.mark.parametrize("what", list(BODIES))
    async def test_refuses_an_old_attempt_without_effect(
        self, pool: asyncpg.Pool, functions: Functions, what: str
    ) -> None:
        job_id = await make_job(pool, Status.RUNNING)
        await apply(pool, intent_of(job_id, Trigger.FAILED_RETRYABLE))
        before = await everything(pool)

        answer = await functions.call(job_id, what, job_token_for(job_id, 1, now()))

        assert answer.status_code == 409
        assert answer.json()["data"] == {"code": "STALE_ATTEMPT", "command": "stop"}
        assert await everything(pool) == before

    @pytest.mark.parametrize(("hours", "status"), [(11, 200), (13, 401)])
    async def test_takes_a_retired_key_for_twelve_hours(
        self, pool: asyncpg.Pool, environ: dict[str, str], hours: int, status: int
    ) -> None:
        job_id = await make_job(pool, Status.QUEUED)
        retired = now() - timedelta(hours=hours)
        keys = {"JOB_TOKEN_KEYS": ring_json(retired_at=retired)}
        token = forged(job_id, now(), secret=OTHER_SECRET, kid="k1")
        async with serving(create_heartbeat(environ | keys)) as client:
            answer = await Functions({"heartbeat": client}).call(job_id, "heartbeat", token)

        assert answer.status_code == status

    async def test_renews_a_token_past_half_of_its_life(
        self, pool: asyncpg.Pool, functions: Functions
    ) -> None:
        job_id = await make_job(pool, Status.RUNNING)
        young = job_token_for(job_id, 1, now() - timedelta(hours=2))
        old = job_token_for(job_id, 1, now() - timedelta(hours=4))

        first = await functions.call(job_id, "heartbeat", young)
        second = await functions.call(job_id, "heartbeat", old, {"sequence": 2})

        assert "token" not in first.json()["data"]
        fresh = second.json()["data"]["token"]
        assert (await functions.call(job_id, "heartbeat", fresh)).status_code == 200

    async def test_believes_no_identity_in_the_body(
        self, pool: asyncpg.Pool, functions: Functions
    ) -> None:
        mine, other = await make_job(pool, Status.RUNNING), await make_job(pool, Status.RUNNING)
        body = BODIES["heartbeat"] | {"jobId": str(other), "job_id": str(other), "attempt": 7}

        await functions.call(mine, "heartbeat", job_token_for(mine, 1, now()), body)

        rows = await pool.fetch("select job_id, attempt from heartbeats")
        assert [tuple(row) for row in rows] == [(mine, 1)]


class TestHeartbeat:
    @pytest.mark.parametrize("status", [Status.PENDING, Status.QUEUED])
    async def test_is_the_first_sign_of_life(
        self, pool: asyncpg.Pool, functions: Functions, status: Status
    ) -> None:
        job_id = await make_job(pool, status)

        answer = await functions.call(job_id, "heartbeat", job_token_for(job_id, 1, now()))

        assert answer.json()["data"] == {"command": "continue", "intervalSeconds": 10.0}
        assert await timeline(pool, job_id) == ["submitted", "queued", "started"]

    async def test_starts_a_job_once_when_many_beats_arrive_together(
        self, pool: asyncpg.Pool, functions: Functions
    ) -> None:
        job_id = await make_job(pool)
        token = job_token_for(job_id, 1, now())

        answers = await asyncio.gather(
            *(functions.call(job_id, "heartbeat", token, {"sequence": n}) for n in range(50))
        )

        assert {answer.status_code for answer in answers} == {200}
        assert await timeline(pool, job_id) == ["submitted", "queued", "started"]
        assert await pool.fetchval("select count(*) from heartbeats") == 50

    async def test_keeps_the_greatest_sequence_and_ignores_repeats(
        self, pool: asyncpg.Pool, functions: Functions
    ) -> None:
        job_id = await make_job(pool, Status.RUNNING)
        token = job_token_for(job_id, 1, now())
        for sequence, loss in ((3, 0.3), (1, 0.1), (3, 9.9)):
            body = {"sequence": sequence, "metrics": {"loss": loss}}
            await functions.call(job_id, "heartbeat", token, body)

        beat = await pool.fetchrow("select sequence, body from beats")
        kept = await pool.fetch("select sequence, body from heartbeats order by 1")
        assert beat is not None
        assert (beat["sequence"], beat["body"]["metrics"]) == (3, {"loss": 0.3})
        assert [(r["sequence"], r["body"]["metrics"]["loss"]) for r in kept] == [(1, 0.1), (3, 0.3)]

    @pytest.mark.parametrize("figure", ["NaN", "Infinity", "-Infinity", 1e308, 0, -5])
    async def test_takes_a_diverged_metric(
        self, pool: asyncpg.Pool, functions: Functions, figure: float | str
    ) -> None:
        job_id = await make_job(pool, Status.RUNNING)
        body = {"sequence": 1, "metrics": {"loss": figure}}

        answer = await functions.call(job_id, "heartbeat", job_token_for(job_id, 1, now()), body)

        assert answer.status_code == 200
        kept = await pool.fetchval("select body #> '{metrics,loss}' from heartbeats")
        assert (float(kept) if isinstance(kept, int) else kept) == figure

    @pytest.mark.parametrize(
        ("body", "status"),
        [
            (b"{", 400),
            (b"", 400),
            (b"\xff\xfe", 400),
            (b'{"sequence": 1, "message": "\\ud800"}', 400),
            (b"[]", 422),
            (b"null", 422),
            (b"{}", 422),
            (b'{"sequence": -1}', 422),
            (b'{"sequence": 99999999999999999999}', 422),
            (b'{"sequence": 1, "progress": 2}', 422),
            (b'{"sequence": 1, "metrics": {"loss": "high"}}', 422),
            (b'{"sequence": 1, "metrics": {"loss": 1e999}}', 422),
            (b'{"sequence": 1, "metrics": {"loss": null}}', 422),
            (b'{"sequence": 1, "message": "\\u0000"}', 422),
            (b'{"sequence": 1, "points": [{"name": "x"}]}', 422),
            (b'{"sequence": 1, "message": "' + b"x" * 11_000 + b'"}', 422),
            (b'{"sequence": 1, "message": "' + b"x" * 10_000_000 + b'"}', 413),
        ],
    )
    async def test_refuses_bad_input_and_changes_nothing(
        self, pool: asyncpg.Pool, functions: Functions, body: bytes, status: int
    ) -> None:
        job_id = await make_job(pool, Status.QUEUED)
        before = await everything(pool)

        answer = await functions.call(job_id, "heartbeat", job_token_for(job_id, 1, now()), body)

        assert answer.status_code == status
        assert answer.json()["status"] == "fail"
        assert await everything(pool) == before

    async def test_takes_telemetry_but_no_state_after_the_end(
        self, pool: asyncpg.Pool, functions: Functions
    ) -> None:
        job_id = await make_job(pool, Status.SUCCEEDED)
        before = await timeline(pool, job_id)

        answer = await functions.call(job_id, "heartbeat", job_token_for(job_id, 1, now()))

        assert answer.json()["data"]["command"] == "stop"
        assert await pool.fetchval("select count(*) from heartbeats") == 1
        assert await timeline(pool, job_id) == before

    async def test_tells_a_cancelled_job_to_save_and_stop(
        self, pool: asyncpg.Pool, functions: Functions
    ) -> None:
        job_id = await make_job(pool, Status.RUNNING)
        await apply(pool, intent_of(job_id, Trigger.CANCEL_ASKED))

        answer = await functions.call(job_id, "heartbeat", job_token_for(job_id, 1, now()))

        assert answer.json()["data"]["command"] == "checkpoint_and_stop"

    @pytest.mark.parametrize(
        ("headers", "wrap"),
        [
            ({}, False),
            ({"ce-id": "1", "ce-source": "/t", "ce-type": "beat", "ce-specversion": "1.0"}, False),
            ({"content-type": "application/cloudevents+json"}, True),
        ],
    )
    async def test_reads_plain_json_and_both_modes_of_an_event(
        self, pool: asyncpg.Pool, functions: Functions, headers: dict[str, str], wrap: bool
    ) -> None:
        job_id = await make_job(pool, Status.RUNNING)
        body = BODIES["heartbeat"]
        if wrap:
            body = {"specversion": "1.0", "id": "1", "source": "/t", "type": "beat", "data": body}

        answer = await functions.call(
            job_id, "heartbeat", job_token_for(job_id, 1, now()), body, headers
        )

        assert answer.status_code == 200
        assert await pool.fetchval("select count(*) from heartbeats") == 1


class TestEvent:
    async def test_answers_a_repeat_as_the_first(
        self, pool: asyncpg.Pool, functions: Functions
    ) -> None:
        job_id = await make_job(pool, Status.RUNNING)
        token = job_token_for(job_id, 1, now())
        named = {"ce-id": "7", "ce-source": "/trainer", "ce-type": "x", "ce-specversion": "1.0"}

        answers = await asyncio.gather(
            *(functions.call(job_id, "event", token, headers=named) for _ in range(8))
        )
        other = await functions.call(job_id, "event", token, headers=named | {"ce-id": "8"})

        assert {str(answer.json()["data"]) for answer in answers} == {"{'sequence': 1}"}
        assert other.json()["data"] == {"sequence": 2}
        assert await pool.fetchval("select count(*) from reports") == 2

    @pytest.mark.parametrize(
        ("odd", "data", "status"),
        [
            ({"id": "".join(map(chr, range(0x4E00, 0x4E00 + 1000)))}, {}, 400),
            ({}, {"occurredAt": "0001-01-01T00:00:00+14:00"}, 422),
            ({}, {"occurredAt": "9999-12-31T23:59:59-14:00"}, 422),
        ],
    )
    async def test_refuses_an_id_and_a_time_that_cannot_be_kept(
        self,
        pool: asyncpg.Pool,
        functions: Functions,
        odd: dict[str, Any],
        data: dict[str, Any],
        status: int,
    ) -> None:
        job_id = await make_job(pool, Status.RUNNING)
        event = {"specversion": "1.0", "id": "1", "source": "/t", "type": "x"} | odd
        wrapped = json.dumps(event | {"data": BODIES["event"] | data})

        answer = await functions.call(
            job_id,
            "event",
            job_token_for(job_id, 1, now()),
            wrapped,
            {"content-type": "application/cloudevents+json"},
        )

        assert answer.status_code == status
        assert await pool.fetchval("select count(*) from reports") == 0

    async def test_makes_a_checkpoint_to_resume_from(
        self, pool: asyncpg.Pool, functions: Functions
    ) -> None:
        job_id = await make_job(pool, Status.RUNNING)
        uri = f"s3://eventrain/jobs/{job_id}/1/checkpoints/epoch-3"
        payload = {"name": "epoch-3", "uri": uri, "sha256": "a" * 64, "size": 9, "epoch": 3}
        body = {"type": "checkpoint_saved", "payload": payload, "occurredAt": WHEN}

        answer = await functions.call(job_id, "event", job_token_for(job_id, 1, now()), body)

        assert answer.status_code == 200
        row = await pool.fetchrow("select uri, epoch, attempt from checkpoints")
        assert row is not None
        assert tuple(row) == (uri, 3, 1)

    @pytest.mark.parametrize(
        "change",
        [
            {"uri": "s3://eventrain/jobs/other/1/checkpoints/x"},
            {"uri": "s3://other/jobs/{job}/1/checkpoints/x"},
            {"uri": "s3://eventrain/jobs/{job}/2/checkpoints/x"},
            {"uri": "s3://eventrain/jobs/{job}/1/../2/x"},
            {"sha256": "short"},
            {"size": -1},
            {"name": None},
            {"epoch": 2**70},
        ],
    )
    async def test_refuses_a_checkpoint_that_is_not_the_attempts_own(
        self, pool: asyncpg.Pool, functions: Functions, change: dict[str, Any]
    ) -> None:
        job_id = await make_job(pool, Status.RUNNING)
        payload = {
            "name": "x",
            "uri": f"s3://eventrain/jobs/{job_id}/1/checkpoints/x",
            "sha256": "a" * 64,
            "size": 9,
        } | {k: v.format(job=job_id) if isinstance(v, str) else v for k, v in change.items()}
        body = {"type": "checkpoint_saved", "payload": payload, "occurredAt": WHEN}

        answer = await functions.call(job_id, "event", job_token_for(job_id, 1, now()), body)

        assert answer.status_code == 422
        assert await pool.fetchval("select count(*) from checkpoints") == 0
        assert await pool.fetchval("select count(*) from reports") == 0

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"confusionMatrix": [[1, 2], [3]]}, "payload.confusionMatrix"),
            ({"confusionMatrix": [[1, -2], [3, 4]]}, "payload"),
            ({"confusionMatrix": [["NaN", 2], [3, 4]]}, "payload"),
            ({"confusionMatrix": [[1] * 101] * 101, "labels": None}, "payload"),
            ({"labels": ["a"]}, "payload.labels"),
            ({"labels": ["a", "a"]}, "payload.labels"),
            ({"perClass": {"c": {"recall": 1}}}, "payload.perClass"),
            ({"perClass": {"a": {"recall": "much"}}}, "payload"),
            ({"metrics": {"f1": None}}, "payload"),
            ({"epoch": -1}, "payload"),
            ({"confusionMatrix": [], "labels": None, "metrics": {}}, "payload"),
        ],
    )
    async def test_refuses_a_validation_whose_parts_do_not_fit(
        self, pool: asyncpg.Pool, functions: Functions, change: dict[str, Any], field: str
    ) -> None:
        job_id = await make_job(pool, Status.RUNNING)
        whole = {
            "epoch": 3,
            "metrics": {"f1": 0.5, "loss": "NaN"},
            "confusionMatrix": [[1, 2], [3, 4.5]],
            "labels": ["a", "b"],
        }
        token = job_token_for(job_id, 1, now())
        body = {"type": "validation", "payload": whole | change, "occurredAt": WHEN}

        answer = await functions.call(job_id, "event", token, body)

        assert answer.status_code == 422
        assert [each["field"] for each in answer.json()["data"]["errors"]] == [field]
        assert await pool.fetchval("select count(*) from reports") == 0
        body["payload"] = whole
        assert (await functions.call(job_id, "event", token, body)).status_code == 200


class TestDone:
    @pytest.mark.parametrize("status", [Status.PENDING, Status.QUEUED, Status.RUNNING])
    async def test_succeeds_from_every_live_state(
        self, pool: asyncpg.Pool, functions: Functions, status: Status
    ) -> None:
        job_id = await make_job(pool, status)

        answer = await functions.call(job_id, "done", job_token_for(job_id, 1, now()))

        assert answer.json()["data"]["status"] == "succeeded"
        assert await timeline(pool, job_id) == ["submitted", "queued", "started", "succeeded"]
        due = await pool.fetchval("select state from work where kind = 'register'")
        assert due == "due"

    async def test_answers_the_same_end_as_before_and_refuses_another(
        self, pool: asyncpg.Pool, functions: Functions
    ) -> None:
        job_id = await make_job(pool, Status.RUNNING)
        token = job_token_for(job_id, 1, now())
        first = await functions.call(job_id, "done", token)
        before = await everything(pool)

        again = await functions.call(job_id, "done", token)
        other = await functions.call(job_id, "done", token, {"outcome": "failed"})

        assert (first.status_code, again.status_code, other.status_code) == (200, 200, 409)
        assert await everything(pool) == before

    @pytest.mark.parametrize(
        ("error_class", "expected"),
        [("transient", "pending"), ("permanent", "failed"), ("user", "failed")],
    )
    async def test_tries_again_by_class(
        self, pool: asyncpg.Pool, functions: Functions, error_class: str, expected: str
    ) -> None:
        job_id = await make_job(pool, Status.RUNNING)
        body = {"outcome": "failed", "errorClass": error_class, "message": "it broke"}

        answer = await functions.call(job_id, "done", job_token_for(job_id, 1, now()), body)

        job = answer.json()["data"]
        assert job["status"] == expected
        assert job["statusReason"].startswith("it broke. ")
        assert job["attempt"] == (2 if expected == "pending" else 1)

    async def test_fails_for_good_when_the_budget_is_spent(
        self, pool: asyncpg.Pool, functions: Functions
    ) -> None:
        job_id = await make_job(pool, max_retries=1)
        body = {"outcome": "failed", "errorClass": "transient"}
        for attempt, expected in ((1, "pending"), (2, "failed")):
            token = job_token_for(job_id, attempt, now())
            answer = await functions.call(job_id, "done", token, body)
            assert answer.json()["data"]["status"] == expected

    @pytest.mark.parametrize("outcome", ["succeeded", "failed"])
    async def test_lets_success_win_over_a_cancel_that_was_asked(
        self, pool: asyncpg.Pool, functions: Functions, outcome: str
    ) -> None:
        job_id = await make_job(pool, Status.RUNNING)
        await apply(pool, intent_of(job_id, Trigger.CANCEL_ASKED))
        body = {"outcome": outcome, "errorClass": None if outcome == "succeeded" else "transient"}

        answer = await functions.call(job_id, "done", job_token_for(job_id, 1, now()), body)

        expected = "succeeded" if outcome == "succeeded" else "cancelled"
        assert answer.json()["data"]["status"] == expected

    async def test_refuses_artifacts_outside_the_attempts_prefix(
        self, pool: asyncpg.Pool, functions: Functions
    ) -> None:
        job_id = await make_job(pool, Status.RUNNING)
        before = await everything(pool)
        mine = {"name": "a", "uri": f"s3://eventrain/jobs/{job_id}/1/artifacts/a"}
        other = {"name": "b", "uri": f"s3://eventrain/jobs/{uuid4()}/1/artifacts/a"}
        body = {"outcome": "succeeded", "artifacts": [mine, other]}

        answer = await functions.call(job_id, "done", job_token_for(job_id, 1, now()), body)

        assert answer.status_code == 422
        assert [e["field"] for e in answer.json()["data"]["errors"]] == ["artifacts.1.uri"]
        assert await everything(pool) == before


class TestAddresses:
    async def test_signs_what_lies_in_the_attempts_own_prefix(
        self, pool: asyncpg.Pool, functions: Functions
    ) -> None:
        job_id = await make_job(pool, Status.RUNNING)
        body = {
            "puts": [
                {"name": "artifacts/model.bin", "size": 10},
                {"name": "checkpoints/large", "size": 1 << 30},
                {"name": "checkpoints/large", "size": 1 << 30, "uploadId": "u"},
            ],
            "gets": ["artifacts/model.bin"],
        }

        answer = await functions.call(job_id, "addresses", job_token_for(job_id, 1, now()), body)

        data = answer.json()["data"]
        prefix = f"s3://eventrain/jobs/{job_id}/1/"
        assert data["prefix"] == prefix
        assert data["expiresInSeconds"] <= 3600
        assert all(put["uri"].startswith(prefix) for put in data["puts"])
        single, begun, parts = data["puts"]
        assert "X-Amz-Signature" in single["url"]
        assert "uploads=" in begun["createUrl"]
        assert len(parts["parts"]) * parts["partSize"] >= 1 << 30

    @pytest.mark.parametrize(
        "body",
        [
            {"puts": [{"name": "../2/x", "size": 1}]},
            {"puts": [{"name": "result.json", "size": 1}]},
            {"puts": [{"name": "artifacts//x", "size": 1}]},
            {"puts": [{"name": "artifacts/\u202e", "size": 1}]},
            {"gets": ["s3://eventrain/jobs/other/1/artifacts/x"]},
            {"gets": ["s3://eventrain/datasets/other/"]},
            {"gets": ["s3://secrets/x"]},
            {"gets": ["../1/x"]},
        ],
    )
    async def test_refuses_what_is_not_the_attempts_own(
        self, pool: asyncpg.Pool, functions: Functions, body: dict[str, Any]
    ) -> None:
        job_id = await make_job(pool, Status.RUNNING)

        answer = await functions.call(job_id, "addresses", job_token_for(job_id, 1, now()), body)

        assert answer.status_code == 422

    async def test_signs_the_dataset_the_model_and_the_checkpoints_of_the_job(
        self, pool: asyncpg.Pool, functions: Functions
    ) -> None:
        resolved = {
            "datasetUri": "s3://eventrain/datasets/d/",
            "modelUri": "s3://eventrain/models/m/1/",
            "checkpoint": {"uri": "s3://eventrain/jobs/earlier/3/checkpoints/c"},
        }
        job_id = await make_job(pool, Status.RUNNING, request={"resolved": resolved})
        wanted = [
            "s3://eventrain/datasets/d/",
            "s3://eventrain/datasets/d/train.csv",
            "s3://eventrain/models/m/1/model.bin",
            "s3://eventrain/jobs/earlier/3/checkpoints/c",
        ]

        answer = await functions.call(
            job_id, "addresses", job_token_for(job_id, 1, now()), {"gets": wanted}
        )

        gets = answer.json()["data"]["gets"]
        assert [get["uri"] for get in gets] == wanted
        assert "listUrl" in gets[0]
        assert all("url" in get for get in gets[1:])

    async def test_signs_the_jobs_own_source_and_no_other(
        self, pool: asyncpg.Pool, functions: Functions
    ) -> None:
        folder = "s3://eventrain/projects/p/sources"
        source = {"uri": f"{folder}/one.tar.gz", "digest": f"sha256:{'0' * 64}"}
        request = {"resolved": {}, "trainer": {"source": source}}
        job_id = await make_job(pool, Status.RUNNING, request=request)
        token = job_token_for(job_id, 1, now())

        own = await functions.call(job_id, "addresses", token, {"gets": [source["uri"]]})
        assert "X-Amz-Signature" in own.json()["data"]["gets"][0]["url"]
        for other in (f"{folder}/two.tar.gz", f"{folder}/", f"{folder}/one.tar.gz/x"):
            answer = await functions.call(job_id, "addresses", token, {"gets": [other]})
            assert answer.status_code == 422, other
