import asyncio
import base64
import time
from typing import Any

import httpx
import pytest

from tests.integration.infra.local.clone import Clone
from tests.integration.infra.local.conftest import Serve, eventually

EVENT = {
    "ce-id": "1",
    "ce-source": "/submit-job",
    "ce-specversion": "1.0",
    "ce-type": "job.submitted",
}
QUICK = {"backoffDelay": "PT0.02S"}


async def publish(broker: str, **headers: str) -> httpx.Response:
    async with httpx.AsyncClient() as client:
        return await client.post(broker, headers={**EVENT, **headers}, content=b"{}")


class TestBroker:
    async def test_answers_the_publisher_before_a_slow_consumer_is_done(
        self, clone: Clone, serve: Serve
    ) -> None:
        clone.add_trigger("wake", subscriber=service("small", uri="/slow?2"))
        async with serve() as stack:
            started = time.monotonic()
            assert (await publish(stack.broker)).status_code == 202
            assert time.monotonic() - started < 1

    async def test_delivers_to_who_wants_it_without_the_authorization(
        self, clone: Clone, serve: Serve
    ) -> None:
        clone.answer_with(204)
        clone.add_trigger("wake", filters=[{"exact": {"type": "job.submitted"}}])
        clone.add_trigger("other", filters=[{"exact": {"type": "job.failed"}}])
        async with serve() as stack:
            await publish(stack.broker, authorization="Bearer x", traceparent="00-1")
            await eventually(clone.entries)
            await asyncio.sleep(0.1)
            (entry,) = clone.entries()
            assert entry["headers"]["ce-type"] == "job.submitted"
            assert entry["headers"]["traceparent"] == "00-1"
            assert "authorization" not in entry["headers"]

    @pytest.mark.parametrize(
        ("statuses", "deliveries"),
        [((204,), 1), ((400,), 1), ((503, 204), 2), ((404,), 3), ((409,), 3), ((200,), 3)],
    )
    async def test_tries_again_for_what_a_real_broker_tries_again(
        self, clone: Clone, serve: Serve, statuses: tuple[int, ...], deliveries: int
    ) -> None:
        clone.answer_with(*statuses)
        clone.add_trigger("wake", delivery={"retry": 2, **QUICK})
        async with serve() as stack:
            await publish(stack.broker)
            await eventually(lambda: len(clone.entries()) == deliveries)
            await asyncio.sleep(0.2)
            assert len(clone.entries()) == deliveries

    async def test_a_consumer_that_is_too_slow_is_tried_again(
        self, clone: Clone, serve: Serve
    ) -> None:
        clone.answer_with(204)
        delivery = {"retry": 1, "timeout": "PT0.5S", **QUICK}
        clone.add_trigger("wake", subscriber=service("small", uri="/slow?2"), delivery=delivery)
        async with serve() as stack:
            await stack.client.get("/small")
            await publish(stack.broker)
            await eventually(lambda: len(clone.entries("/slow")) == 2)

    async def test_what_nobody_takes_goes_to_the_dead_letters_with_the_reason(
        self, clone: Clone, serve: Serve
    ) -> None:
        clone.answer_with(400, 204)
        dead = {"deadLetterSink": service("small", uri="/dead"), **QUICK}
        clone.add_trigger("wake", delivery=dead)
        async with serve() as stack:
            await publish(stack.broker)
            await eventually(lambda: clone.entries("/dead"))
            headers = clone.entries("/dead")[0]["headers"]
            assert headers["ce-id"] == "1"
            assert headers["ce-knativeerrorcode"] == "400"
            assert headers["ce-knativeerrordest"] == "http://small.eventrain.svc.cluster.local/"
            assert base64.b64decode(headers["ce-knativeerrordata"]) == str(stack.small.pid).encode()
            assert any("wake did not take job.submitted: 400" in word for word in stack.told)

    async def test_can_be_told_to_deliver_twice(self, clone: Clone, serve: Serve) -> None:
        clone.answer_with(204)
        clone.add_trigger("wake")
        async with serve(timing=lambda event, name: (0.0, 0.05)) as stack:
            await publish(stack.broker)
            await eventually(lambda: len(clone.entries()) == 2)

    async def test_can_be_told_to_deliver_out_of_order(self, clone: Clone, serve: Serve) -> None:
        clone.answer_with(204)
        clone.add_trigger("wake")

        def late_first(event: Any, name: str) -> tuple[float]:
            return (0.5,) if event.attributes["id"] == "1" else (0.0,)

        async with serve(timing=late_first) as stack:
            await stack.client.get("/small")
            for number in ("1", "2"):
                await publish(stack.broker, **{"ce-id": number})
            await eventually(lambda: len(clone.entries()) == 2)
            assert [entry["headers"]["ce-id"] for entry in clone.entries()] == ["2", "1"]

    async def test_refuses_what_is_no_event(self, serve: Serve) -> None:
        async with serve() as stack, httpx.AsyncClient() as client:
            assert (await client.post(stack.broker, content=b"{}")).status_code == 400
            assert (await client.get(stack.broker)).status_code == 405
            large = await client.post(stack.broker, headers=EVENT, content=b"x" * (2 << 20))
            assert large.status_code == 413


class TestClock:
    async def test_ticks_as_the_ping_source_says(self, clone: Clone, serve: Serve) -> None:
        clone.answer_with(204)
        clone.add_trigger("wake")
        extensions = {"eventtype": "dev.eventrain.sync.requested.v1"}
        clone.add_clock(
            schedule="* * * * * *",
            data="{}",
            contentType="application/json",
            ceOverrides={"extensions": extensions},
        )
        async with serve():
            await eventually(lambda: len(clone.entries()) >= 2)
        first, second = (entry["headers"] for entry in clone.entries()[:2])
        assert first["ce-type"] == "dev.knative.sources.ping"
        assert first["ce-source"] == "/apis/v1/namespaces/eventrain/pingsources/tick"
        assert first["ce-eventtype"] == "dev.eventrain.sync.requested.v1"
        assert first["ce-id"] != second["ce-id"]
        assert clone.entries()[0]["body"] == "{}"

    async def test_drops_a_tick_after_five_quick_tries(self, clone: Clone, serve: Serve) -> None:
        clone.answer_with(500)
        clone.add_clock(schedule="0 0 1 1 *", sink=service("small"))
        async with serve(tick="@every 2s") as stack:
            await eventually(lambda: stack.told)
            assert stack.told[0] == "a tick of tick was dropped"
            assert len(clone.entries()) >= 5


def service(name: str, **more: Any) -> dict[str, Any]:
    return {"ref": {"kind": "Service", "name": name}, **more}
