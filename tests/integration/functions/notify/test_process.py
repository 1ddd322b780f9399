"""notify as a real process: woken by an event, killed in the middle of a try."""

import shutil
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import asyncpg
import httpx
import pytest

from common.jobs.state import Status
from common.postgres import transaction
from common.webhooks import subscription
from common.webhooks.subscription import Webhook
from tests.jobs import NOW, PROJECT, make_job
from tests.kubernetes import until
from tests.processes import started_function
from tests.receiver import answer, receiving


@pytest.fixture
def inside(environ: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """An installation that lets webhooks be on the same machine."""
    folder = tmp_path / "config"
    shutil.copytree(environ["CONFIG_DIR"], folder)
    file = folder / "trainers.yaml"
    text = file.read_text()
    assert "allowPrivateWebhooks: false" in text
    file.write_text(text.replace("allowPrivateWebhooks: false", "allowPrivateWebhooks: true"))
    return environ | {"CONFIG_DIR": str(folder)}


async def subscribe(pool: asyncpg.Pool, url: str, *events: str) -> str:
    made = Webhook(PROJECT, PROJECT, url, events, "ada")
    async with transaction(pool) as connection:
        return (await subscription.add(connection, made, now=NOW))[1]


def wake(address: str, kind: str, subject: str | None = None) -> None:
    headers = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "test", "ce-type": kind}
    answered = httpx.post(address, headers=headers | ({"ce-subject": subject} if subject else {}))
    assert (answered.status_code, answered.content) == (204, b"")


async def state_of(pool: asyncpg.Pool) -> str:
    return await pool.fetchval("select state from webhook_deliveries")


async def test_an_event_of_the_job_wakes_it(pool: asyncpg.Pool, inside: dict[str, str]) -> None:
    with receiving() as receiver:
        secret = await subscribe(pool, receiver.url(), "job.succeeded")
        job_id = await make_job(pool, Status.SUCCEEDED)
        with started_function("notify", inside) as served:
            wake(served.address, "dev.eventrain.job.succeeded.v1", str(job_id))

            async def delivered() -> bool:
                return await state_of(pool) == "delivered"

            await until(delivered)
        (got,) = receiver.got
        assert got.is_signed_by(secret)


async def test_answers_the_broker_while_the_receiver_thinks_and_ends_what_it_began(
    pool: asyncpg.Pool, inside: dict[str, str]
) -> None:
    with receiving() as receiver:
        thought = threading.Event()

        def think(handler: BaseHTTPRequestHandler) -> None:
            assert thought.wait(30)
            answer(200)(handler)

        receiver.respond = think
        await subscribe(pool, receiver.url(), "job.submitted")
        job_id = await make_job(pool)
        with started_function("notify", inside) as served:
            wake(served.address, "dev.eventrain.job.submitted.v1", str(job_id))
            assert receiver.arrived.acquire(timeout=30)
            assert await state_of(pool) == "due"
            served.process.terminate()
            thought.set()
            assert served.process.wait(30) == 0
        assert await state_of(pool) == "delivered"


async def test_what_it_held_when_it_was_killed_is_sent_by_the_next_under_the_same_id(
    pool: asyncpg.Pool, inside: dict[str, str]
) -> None:
    with receiving() as receiver:
        never = threading.Event()
        receiver.respond = lambda _: never.wait(60) and None
        await subscribe(pool, receiver.url(), "job.submitted")
        job_id = await make_job(pool)
        with started_function("notify", inside) as served:
            wake(served.address, "dev.eventrain.job.submitted.v1", str(job_id))
            assert receiver.arrived.acquire(timeout=30)
            served.process.kill()
            served.process.wait()
        never.set()
        receiver.respond = answer(200)
        await pool.execute("update webhook_deliveries set leased_until = now() - interval '1s'")
        with started_function("notify", inside) as served:
            wake(served.address, "dev.eventrain.delivery.requested.v1")

            async def delivered() -> bool:
                return await state_of(pool) == "delivered"

            await until(delivered)
        first, second = receiver.got
        assert first.headers["webhook-id"] == second.headers["webhook-id"]
        assert first.body == second.body
