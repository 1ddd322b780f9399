from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from common import consumer, errors, trace
from common.events import Event, to_http

EVENT = Event(
    "e1", "s", "t", "j1", data={}, extensions={"traceparent": f"00-{'a' * 32}-{'b' * 16}-01"}
)


async def deliver(
    handle: consumer.Handle, headers: dict[str, str] | None = None, body: bytes = b"{}"
) -> httpx.Response:
    app = Starlette(routes=[Route("/", consumer.endpoint(handle), methods=["POST"])])
    app.state.deps = SimpleNamespace(name="deps")
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        return await client.post("/", headers=headers or to_http(EVENT)[0], content=body)


def raising(error: Exception) -> consumer.Handle:
    async def handle(event: Event, deps: Any) -> None:
        raise error

    return handle


class TestAConsumer:
    async def test_answers_empty_and_204_when_it_is_done(self) -> None:
        seen: list[Any] = []

        async def handle(event: Event, deps: Any) -> None:
            parent = trace.parent.get()
            seen.extend([event, deps.name, trace.job_id.get(), parent and parent.trace_id])

        answer = await deliver(handle)
        assert (answer.status_code, answer.content) == (204, b"")
        assert seen == [EVENT, "deps", "j1", "a" * 32]

    @pytest.mark.parametrize(
        "error", [errors.Poison(), errors.NotFound(), errors.Conflict(), errors.Invalid([])]
    )
    async def test_never_wants_again_what_no_repeat_mends(self, error: Exception) -> None:
        answer = await deliver(raising(error))
        assert (answer.status_code, answer.content) == (400, b"")

    @pytest.mark.parametrize(
        "error",
        [errors.Later(), errors.TooMany(), ConnectionResetError(), KeyError("bug"), TimeoutError()],
    )
    async def test_wants_again_what_may_go_well_later(self, error: Exception) -> None:
        answer = await deliver(raising(error))
        assert (answer.status_code, answer.content) == (503, b"")
        assert answer.headers["retry-after"] == "2"

    @pytest.mark.parametrize(
        ("headers", "body"),
        [
            ({"content-type": "application/json"}, b"{}"),
            (to_http(EVENT)[0], b"{"),
            (to_http(EVENT)[0], b" " * (consumer.LARGEST_EVENT + 1)),
        ],
    )
    async def test_takes_what_is_no_event_for_poison(
        self, headers: dict[str, str], body: bytes
    ) -> None:
        answer = await deliver(raising(AssertionError("not reached")), headers, body)
        assert (answer.status_code, answer.content) == (400, b"")
