"""Webhooks and their receivers: away, failing, redirecting, slow, hostile. Real sockets."""

import asyncio
import ssl
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
import pytest_asyncio

from common.jobs import transition
from common.jobs.state import Status, Trigger
from common.jobs.webhook import Policy
from common.postgres import transaction
from common.webhooks import delivery, subscription
from common.webhooks.post import Resolve, Sender, open_client
from common.webhooks.subscription import TELLING, Webhook
from functions.notify.handler import notify
from tests.certificate import certify
from tests.jobs import PROJECT, intent_of, make_job
from tests.receiver import Receiver, answer, receiving

INSIDE = Policy(private=True, http=True)
OUTSIDE = Policy(http=True)


@dataclass
class Post:
    """The notify function with a clock, a policy and a resolver of the test's own."""

    pool: asyncpg.Pool
    policy: Policy = INSIDE
    resolve: Resolve | None = None
    total: float = 30
    trust: ssl.SSLContext | bool = True
    ahead: timedelta = timedelta()
    asked: list[str] = field(default_factory=list[str])

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def names(self, *addresses: str) -> None:
        """Every name leads to these."""

        async def resolve(host: str, port: int) -> Sequence[str]:
            self.asked.append(host)
            return addresses

        self.resolve = resolve

    async def go_round(self, job_id: UUID | None = None, *, after: float = 0) -> None:
        self.ahead += timedelta(seconds=after)
        async with open_client(verify=self.trust) as client:
            sender = Sender(client, lambda: self.policy, resolve=self.resolve, total=self.total)
            await notify(job_id, pool=self.pool, sender=sender, now=self.now)

    async def subscribe(self, url: str, *events: str) -> tuple[UUID, str]:
        """A webhook's id and secret."""
        made = Webhook(uuid4(), PROJECT, url, events or TELLING, "ada")
        async with transaction(self.pool) as connection:
            _, secret = await subscription.add(connection, made, now=self.now())
        return made.id, secret

    async def deliveries(self) -> list[Any]:
        return await self.pool.fetch("select * from webhook_deliveries order by created_at, id")

    async def only(self) -> Any:
        (row,) = await self.deliveries()
        return row


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


@pytest_asyncio.fixture
async def post(pool: asyncpg.Pool) -> AsyncIterator[Post]:
    yield Post(pool)


def events_of(receiver: Receiver) -> list[str]:
    return sorted(got.headers["eventrain-event"] for got in receiver.got)


class TestWhoIsTold:
    async def test_a_webhook_is_told_of_the_events_that_it_names(
        self, post: Post, receiver: Receiver
    ) -> None:
        await post.subscribe(receiver.url(), "job.started", "job.succeeded")
        job_id = await make_job(post.pool, Status.SUCCEEDED)
        await post.go_round(job_id)
        assert events_of(receiver) == ["job.started", "job.succeeded"]
        assert {row["state"] for row in await post.deliveries()} == {"delivered"}

    async def test_addresses_of_a_job_are_told_of_its_start_and_its_end(
        self, post: Post, receiver: Receiver
    ) -> None:
        told = {"onStart": [receiver.url()], "onCompletion": [receiver.url(), receiver.url()]}
        await make_job(post.pool, Status.FAILED, request={"resolved": {}, "notifications": told})
        await post.go_round()
        assert events_of(receiver) == ["job.failed", "job.failed", "job.started"]

    async def test_what_is_told_is_the_event_itself(self, post: Post, receiver: Receiver) -> None:
        await post.subscribe(receiver.url(), "job.failed")
        job_id = await make_job(post.pool, Status.FAILED)
        await post.go_round(job_id)
        (got,) = receiver.got
        event = await post.pool.fetchrow(
            "select * from job_events where job_id = $1 and type like '%failed%'", job_id
        )
        assert got.headers["content-type"] == "application/cloudevents+json"
        assert got.event["id"] == str(event["id"])
        assert got.event["subject"] == str(job_id)
        assert got.event["data"]["status"] == "failed"
        assert got.event["data"]["reason"] == "as told"

    async def test_a_change_that_is_taken_back_tells_nobody(
        self, post: Post, receiver: Receiver
    ) -> None:
        await post.subscribe(receiver.url(), "job.succeeded")
        job_id = await make_job(post.pool, Status.RUNNING)

        async def change_and_fail() -> None:
            async with transaction(post.pool) as connection:
                intent = intent_of(job_id, Trigger.SUCCEEDED)
                await transition.apply(connection, [intent], now=post.now())
                assert await connection.fetchval("select count(*) from webhook_deliveries") == 1
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await change_and_fail()
        await post.go_round()
        assert (receiver.got, await post.deliveries()) == ([], [])

    async def test_other_projects_hear_nothing(self, post: Post, receiver: Receiver) -> None:
        await post.subscribe(receiver.url())
        await make_job(post.pool, Status.RUNNING, project_id=uuid4())
        await post.go_round()
        assert receiver.got == []

    async def test_a_webhook_that_was_deleted_is_told_no_more_and_the_log_says_so(
        self, post: Post, receiver: Receiver
    ) -> None:
        webhook_id, _ = await post.subscribe(receiver.url(), "job.submitted")
        await make_job(post.pool)
        await subscription.remove(post.pool, webhook_id)
        await post.go_round()
        row = await post.only()
        assert (receiver.got, row["state"]) == ([], "failed")
        assert row["tried"][0]["error"] == "the webhook was deleted"


class TestSignature:
    async def test_is_verified_by_whoever_has_the_secret(
        self, post: Post, receiver: Receiver
    ) -> None:
        _, secret = await post.subscribe(receiver.url(), "job.submitted")
        _, other = await post.subscribe("http://127.0.0.1:9999/", "job.failed")
        await make_job(post.pool)
        await post.go_round()
        (got,) = receiver.got
        assert got.is_signed_by(secret)
        assert not got.is_signed_by(other)

    async def test_after_a_rotation_both_secrets_verify_it_for_a_while(
        self, post: Post, receiver: Receiver
    ) -> None:
        webhook_id, first = await post.subscribe(receiver.url(), "job.submitted")
        second = await subscription.rotate(post.pool, webhook_id, now=post.now())
        await make_job(post.pool)
        await post.go_round()
        await make_job(post.pool)
        await post.go_round(after=subscription.OVERLAP.total_seconds() + 1)
        during, after = receiver.got
        assert [during.is_signed_by(each) for each in (first, second)] == [True, True]
        assert [after.is_signed_by(each) for each in (first, second)] == [False, True]

    async def test_addresses_of_jobs_are_signed_for_with_the_projects_secret(
        self, post: Post, receiver: Receiver
    ) -> None:
        request = {"resolved": {}, "notifications": {"onStart": [receiver.url()]}}
        secret = await subscription.rotate(post.pool, PROJECT, now=post.now())
        await make_job(post.pool, Status.RUNNING, request=request)
        await post.go_round()
        (got,) = receiver.got
        assert got.is_signed_by(secret)


class TestReceiver:
    async def test_that_was_away_gets_it_later_under_the_same_id(self, post: Post) -> None:
        with receiving() as gone:
            pass
        await post.subscribe(gone.url(), "job.submitted")
        await make_job(post.pool)
        await post.go_round()
        row = await post.only()
        assert (row["state"], row["tries"]) == ("due", 1)
        assert row["tried"][0]["error"].startswith("ConnectError")

        with receiving(port=gone.port) as back:
            await post.go_round()
            assert back.got == []
            await post.go_round(after=15)
            (got,) = back.got
        assert got.headers["webhook-id"] == str(row["id"])
        assert (await post.only())["state"] == "delivered"

    async def test_that_fails_is_asked_so_often_and_then_given_up_where_one_sees_it(
        self, post: Post, receiver: Receiver
    ) -> None:
        receiver.respond = answer(500, b"out of order")
        await post.subscribe(receiver.url(), "job.submitted")
        await make_job(post.pool)
        for _ in range(delivery.MOST_TRIES + 3):
            await post.go_round(after=2 * delivery.LONGEST_DELAY.total_seconds())
        row = await post.only()
        assert len(receiver.got) == delivery.MOST_TRIES
        assert len({got.headers["webhook-id"] for got in receiver.got}) == 1
        assert (row["state"], row["tries"]) == ("failed", delivery.MOST_TRIES)
        assert row["tried"][-1]["code"] == 500
        assert row["tried"][-1]["error"] == "answered 500: out of order"

    async def test_that_redirects_is_not_followed(self, post: Post, receiver: Receiver) -> None:
        with receiving() as elsewhere:
            receiver.respond = answer(307, location=elsewhere.url())
            await post.subscribe(receiver.url(), "job.submitted")
            await make_job(post.pool)
            await post.go_round()
            assert elsewhere.got == []
        row = await post.only()
        assert row["state"] == "due"
        assert row["tried"][0]["error"] == "answered 307, a redirect, which is not followed"

    async def test_that_is_gone_for_good_is_not_asked_again(
        self, post: Post, receiver: Receiver
    ) -> None:
        receiver.respond = answer(410)
        await post.subscribe(receiver.url(), "job.submitted")
        await make_job(post.pool)
        await post.go_round()
        assert (await post.only())["state"] == "failed"

    async def test_that_is_slow_is_not_waited_for_and_keeps_nobody_else_waiting(
        self, post: Post, receiver: Receiver
    ) -> None:
        over = threading.Event()

        def dribble(handler: BaseHTTPRequestHandler) -> None:
            for byte in b"HTTP/1.1 200 OK\r\nx-padding: " + b"x" * 10_000:
                handler.wfile.write(bytes([byte]))
                if over.wait(0.05):
                    return

        receiver.respond = dribble
        post.total = 1
        with receiving() as quick:
            slow_id, _ = await post.subscribe(receiver.url(), "job.submitted")
            await post.subscribe(quick.url(), "job.submitted")
            await make_job(post.pool)
            await post.go_round()
            over.set()
            assert len(quick.got) == 1
        states = {row["webhook_id"] == slow_id: row for row in await post.deliveries()}
        assert states[False]["state"] == "delivered"
        assert states[True]["state"] == "due"
        assert states[True]["tried"][0]["error"] == "no whole answer within 1 seconds"

    async def test_that_answers_without_end_is_left_after_a_few_bytes(
        self, post: Post, receiver: Receiver
    ) -> None:
        left = threading.Event()

        def pour(handler: BaseHTTPRequestHandler) -> None:
            handler.send_response(500)
            handler.end_headers()
            try:
                while True:
                    handler.wfile.write(b"x" * 65_536)
            except OSError:
                left.set()
                raise

        receiver.respond = pour
        await post.subscribe(receiver.url(), "job.submitted")
        await make_job(post.pool)
        await post.go_round()
        assert await asyncio.to_thread(left.wait, 30)
        assert len((await post.only())["tried"][0]["error"]) < 300


class TestAddress:
    @pytest.mark.parametrize(
        "addresses",
        [("127.0.0.1",), ("::1",), ("169.254.169.254",), ("93.184.215.14", "127.0.0.1")],
    )
    async def test_a_name_that_leads_inside_is_never_called(
        self, post: Post, receiver: Receiver, addresses: tuple[str, ...]
    ) -> None:
        await post.subscribe(receiver.url("hooks.example.com"), "job.submitted")
        await make_job(post.pool)
        post.policy = OUTSIDE
        post.names(*addresses)
        await post.go_round()
        row = await post.only()
        assert receiver.got == []
        assert row["state"] == "failed"
        assert "hooks.example.com leads to the private address" in row["tried"][0]["error"]

    async def test_is_looked_up_once_and_then_pinned(self, post: Post, receiver: Receiver) -> None:
        """Whoever could answer a second look could lead us elsewhere."""
        post.names("127.0.0.1")
        await post.subscribe(receiver.url("hooks.example.com"), "job.submitted")
        await make_job(post.pool)
        await post.go_round()
        (got,) = receiver.got
        assert post.asked == ["hooks.example.com"]
        assert got.headers["host"] == f"hooks.example.com:{receiver.port}"

    async def test_over_tls_the_certificate_is_that_of_the_name(
        self, post: Post, tmp_path: Path
    ) -> None:
        served, trust = certify(tmp_path, "hooks.example.com")
        post.names("127.0.0.1")
        post.trust = trust
        with receiving(served) as receiver:
            await post.subscribe(receiver.url("hooks.example.com", "https"), "job.submitted")
            await post.subscribe(receiver.url("other.example.com", "https"), "job.submitted")
            await make_job(post.pool)
            await post.go_round()
            assert len(receiver.got) == 1
        rows = {row["url"].split("/")[2].split(".")[0]: row for row in await post.deliveries()}
        assert rows["hooks"]["state"] == "delivered"
        assert rows["other"]["state"] == "due"
        assert "certificate" in rows["other"]["tried"][0]["error"].lower()

    async def test_what_was_allowed_once_is_refused_when_it_no_longer_is(
        self, post: Post, receiver: Receiver
    ) -> None:
        await post.subscribe(receiver.url(), "job.submitted")
        await make_job(post.pool)
        post.policy = Policy()
        await post.go_round()
        assert receiver.got == []
        assert (await post.only())["tried"][0]["error"] == "the address must begin with https://"


class TestLease:
    async def test_two_instances_send_each_delivery_once(
        self, post: Post, receiver: Receiver
    ) -> None:
        await post.subscribe(receiver.url())
        for _ in range(15):
            await make_job(post.pool, Status.RUNNING)
        await asyncio.gather(*(post.go_round() for _ in range(4)))
        ids = [got.headers["webhook-id"] for got in receiver.got]
        assert len(ids) == 45
        assert len(set(ids)) == 45

    async def test_who_comes_back_after_the_lease_was_given_on_changes_nothing(
        self, post: Post, receiver: Receiver
    ) -> None:
        await post.subscribe(receiver.url(), "job.submitted")
        await make_job(post.pool)
        (late,) = await delivery.claim(post.pool, now=post.now(), limit=1)
        await post.go_round(after=delivery.LEASE.total_seconds() + 1)
        lost = delivery.Answer(1.0, error="too late")
        await delivery.note(post.pool, late, lost, now=post.now())
        row = await post.only()
        assert row["state"] == "delivered"
        assert [each["error"] for each in row["tried"]] == [None]

    async def test_is_not_taken_from_who_has_it(self, post: Post) -> None:
        await post.subscribe("http://127.0.0.1:9999/", "job.submitted")
        await make_job(post.pool)
        (held,) = await delivery.claim(post.pool, now=post.now(), limit=1)
        assert await delivery.claim(post.pool, now=post.now(), limit=1) == []
        assert await delivery.redeliver(post.pool, held.id, now=post.now()) is None
        assert not await delivery.any_due(post.pool, now=post.now())
