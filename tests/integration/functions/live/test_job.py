"""The stream of one job."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import asyncpg
import httpx
import pytest

from common.jobs.state import Status, Trigger
from common.tokens import user_token
from common.tokens.keyring import KeyRing
from functions.live.app import create_app
from tests.asgi import listening
from tests.catalogue import OTHER_PROJECT, bearer
from tests.jobs import PROJECT, make_job
from tests.keys import ring_json
from tests.sse import Told, events, opened
from tests.watching import beat, change, is_job, rest, turn, until

JOBS = "/llm-ops/v1/training/jobs"


def expiring(seconds: float) -> dict[str, str]:
    ring, now = KeyRing.parse(ring_json()), datetime.now(UTC)
    roles: dict[str, user_token.Role] = {str(PROJECT): "viewer"}
    token = user_token.issue(ring, "ada", roles, now, timedelta(seconds=seconds))
    return {"authorization": f"Bearer {token}"}


def changes(told: list[Told]) -> list[int]:
    return [each.data["sequence"] for each in told if each.event == "change" and each.data["to"]]


def steps(told: list[Told]) -> list[int]:
    points = [point for each in told if each.event == "points" for point in each.data["points"]]
    return [point["step"] for point in points]


class TestAStream:
    async def test_begins_with_the_job_and_its_timeline(
        self, http: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        job_id = await make_job(pool, Status.RUNNING)
        async with opened(http, f"{JOBS}/{job_id}/live", **bearer()) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            told = events(answer)
            first = await anext(told)
            assert (first.event, first.data["id"], first.data["status"]) == (
                "job",
                str(job_id),
                "running",
            )
            assert changes(await until(told, lambda t: t.data.get("to") == "running")) == [1, 2, 3]

    async def test_goes_on_with_what_happens(
        self, http: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        job_id = await make_job(pool)
        async with opened(http, f"{JOBS}/{job_id}/live", **bearer()) as answer:
            told = events(answer)
            await until(told, is_job("pending"))
            await change(pool, job_id, Trigger.ALIVE)
            for number in range(3):
                await beat(pool, job_id, number)
            await change(pool, job_id, Trigger.SUCCEEDED)
            found = await until(told, is_job("succeeded"))
        assert changes(found) == [1, 2, 3, 4]
        assert steps(found) == [0, 1, 2]

    async def test_tells_points_from_now_on(
        self, http: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        job_id = await make_job(pool, Status.RUNNING)
        for number in range(3):
            await beat(pool, job_id, number)
        async with opened(http, f"{JOBS}/{job_id}/live", **bearer()) as answer:
            told = events(answer)
            found = [await anext(told)]
            await beat(pool, job_id, 3)
            found += await until(told, lambda t: t.event == "points")
        assert steps(found) == [3]

    async def test_shows_what_kubernetes_shows_although_no_state_changed(
        self, http: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        job_id = await make_job(pool, Status.QUEUED)
        async with opened(http, f"{JOBS}/{job_id}/live", **bearer()) as answer:
            told = events(answer)
            await until(told, is_job("queued"))
            await pool.execute("update jobs set waiting_for = 'a node' where id = $1", job_id)
            await until(told, lambda t: t.data.get("waitingFor") == "a node")

    async def test_says_that_a_trainer_fell_silent_although_nothing_was_written(
        self, environ: dict[str, str], pool: asyncpg.Pool
    ) -> None:
        job_id = await make_job(pool, Status.RUNNING)
        app = create_app(environ | {"HEARTBEAT_INTERVAL_SECONDS": "1"})
        async with listening(app) as address, httpx.AsyncClient(base_url=address) as http:
            await beat(pool, job_id, 1)
            async with opened(http, f"{JOBS}/{job_id}/live", **bearer()) as answer:
                await until(events(answer), lambda t: t.data.get("health") == "silent")

    async def test_of_a_job_that_is_long_over_ends(
        self, http: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        job_id = await make_job(pool, Status.SUCCEEDED)
        async with opened(http, f"{JOBS}/{job_id}/live", **bearer()) as answer:
            told = await rest(events(answer))
        assert changes(told) == [1, 2, 3, 4]
        assert (told[-1].event, told[-1].data) == ("end", {"reason": "over"})


class TestComingBack:
    async def test_is_told_what_is_new_and_nothing_else(
        self, http: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        job_id = await make_job(pool, Status.RUNNING)
        async with opened(http, f"{JOBS}/{job_id}/live", **bearer()) as answer:
            told = await until(events(answer), lambda t: t.data.get("to") == "running")
        await beat(pool, job_id, 0)
        await turn(pool, job_id, 1)
        last = told[-1].id
        async with opened(http, f"{JOBS}/{job_id}/live", last=last, **bearer()) as answer:
            found = await until(events(answer), lambda t: t.data.get("sequence") == 6)
        assert changes(found) == [4, 5, 6]
        assert steps(found) == [0]

    async def test_is_possible_for_a_page_by_its_address(
        self, http: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        job_id = await make_job(pool, Status.RUNNING)
        answer = await http.post(f"{JOBS}/live/token", headers=bearer())
        ticket = answer.json()["data"]["token"]
        path = f"{JOBS}/{job_id}/live?token={ticket}&lastEventId=2.0.0.-1"
        async with opened(http, path) as answer:
            found = await until(events(answer), lambda t: t.data.get("to") == "running")
        assert changes(found) == [3]

    @pytest.mark.parametrize(
        "last", ["nonsense", "1.2.3", "1.2.3.-2", f"{2**63}.0.0.0", "-1.0.0.0"]
    )
    async def test_with_an_id_that_no_stream_gave_out_is_refused(
        self, http: httpx.AsyncClient, pool: asyncpg.Pool, last: str
    ) -> None:
        job_id = await make_job(pool)
        headers = bearer() | {"last-event-id": last}
        answer = await http.get(f"{JOBS}/{job_id}/live", headers=headers)
        assert answer.status_code == 422
        assert answer.json()["data"]["errors"][0]["field"] == "Last-Event-ID"

    async def test_with_an_id_of_a_longer_story_begins_anew(
        self, http: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        job_id = await make_job(pool, Status.RUNNING)
        path = f"{JOBS}/{job_id}/live"
        async with opened(http, path, last="99.0.0.-1", **bearer()) as answer:
            found = await until(events(answer), lambda t: t.data.get("to") == "running")
        assert changes(found) == [1, 2, 3]


class TestWhoMayWatch:
    async def test_is_not_a_stranger(self, http: httpx.AsyncClient, pool: asyncpg.Pool) -> None:
        job_id = await make_job(pool)
        for asked, caller in ((job_id, {OTHER_PROJECT: "admin"}), (uuid4(), None), ("x", None)):
            path = f"{JOBS}/{asked}/live"
            answer = await http.get(path, headers=bearer(caller))
            assert answer.status_code == 404
            assert answer.json()["data"]["code"] == "NOT_FOUND"

    async def test_shows_a_token(self, http: httpx.AsyncClient, pool: asyncpg.Pool) -> None:
        job_id = await make_job(pool)
        user = bearer()["authorization"].removeprefix("Bearer ")
        for query in ("", "?token=", "?token=x", f"?token={user}"):
            answer = await http.get(f"{JOBS}/{job_id}/live{query}")
            assert answer.status_code == 401, query

    async def test_opens_nothing_but_streams_with_a_ticket(self, http: httpx.AsyncClient) -> None:
        answer = await http.post(f"{JOBS}/live/token", headers=bearer())
        ticket = {"authorization": f"Bearer {answer.json()['data']['token']}"}
        assert (await http.post(f"{JOBS}/live/token", headers=ticket)).status_code == 401

    async def test_is_told_when_the_token_has_expired(
        self, http: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        job_id = await make_job(pool)
        headers = expiring(3)
        async with opened(http, f"{JOBS}/{job_id}/live", **headers) as answer:
            told = await rest(events(answer))
        assert (told[-1].event, told[-1].data) == ("end", {"reason": "expired"})
        assert (await http.get(f"{JOBS}/{job_id}/live", headers=headers)).status_code == 401

    async def test_gets_no_ticket_that_outlives_the_token(self, http: httpx.AsyncClient) -> None:
        answer = await http.post(f"{JOBS}/live/token", headers=expiring(60))
        expires = datetime.fromisoformat(answer.json()["data"]["expiresAt"])
        assert expires <= datetime.now(UTC) + timedelta(seconds=60)
