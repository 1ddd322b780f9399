import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cloudevents.conversion import to_binary, to_structured
from cloudevents.http import CloudEvent, from_http
from hypothesis import given
from hypothesis import strategies as st

from common import events
from common.errors import Poison
from common.events import Event, Publisher

EVENT = Event(
    id="e-1",
    source="submit-job",
    type="dev.eventrain.job.submitted.v1",
    subject="j-1",
    time=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    data={"attempt": 1, "name": "ü"},
    extensions={"sequence": "1", "traceparent": "00-a"},
)
BINARY = {"ce-id": "1", "ce-source": "s", "ce-type": "t", "ce-specversion": "1.0"}
TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=50)


def theirs() -> CloudEvent:
    attributes: dict[str, Any] = {
        "id": "e-1",
        "source": "submit-job",
        "type": EVENT.type,
        "subject": "j-1",
        "time": "2026-01-02T03:04:05+00:00",
        "datacontenttype": "application/json",
        "sequence": "1",
        "traceparent": "00-a",
    }
    return CloudEvent(attributes, {"attempt": 1, "name": "ü"})


class TestParse:
    @pytest.mark.parametrize("write", [to_binary, to_structured])
    def test_reads_what_the_sdk_writes(self, write: Callable[[CloudEvent], Any]) -> None:
        headers, body = write(theirs())
        assert events.parse({k.lower(): v for k, v in headers.items()}, body) == EVENT

    @pytest.mark.parametrize(
        ("headers", "body"),
        [
            ({}, b"{}"),
            ({"content-type": "application/json"}, b"{}"),
            (BINARY, b"{"),
            (BINARY, b"\xff"),
            (BINARY | {"ce-specversion": "0.3"}, b"{}"),
            (BINARY | {"ce-id": ""}, b"{}"),
            (BINARY | {"ce-id": "%00"}, b"{}"),
            (BINARY | {"ce-type": "t" * 3000}, b"{}"),
            (BINARY | {"ce-time": "yesterday"}, b"{}"),
            (BINARY | {"ce-time": "2026-01-01T00:00:00"}, b"{}"),
            ({"content-type": "application/cloudevents+json"}, b""),
            ({"content-type": "application/cloudevents+json"}, b"[]"),
            ({"content-type": "application/cloudevents+json"}, b'{"specversion": "1.0"}'),
            (
                {"content-type": "application/cloudevents+json; charset=utf-8"},
                b'{"specversion": "1.0", "id": 7, "source": "s", "type": "t"}',
            ),
            ({"content-type": "application/cloudevents-batch+json"}, b"[]"),
        ],
    )
    def test_takes_anything_else_for_poison(self, headers: dict[str, str], body: bytes) -> None:
        with pytest.raises(Poison):
            events.parse(headers, body)

    def test_reads_an_event_without_data(self) -> None:
        assert events.parse(BINARY, b"").data is None

    @given(TEXT, TEXT, st.dictionaries(st.from_regex(r"\A[a-z0-9]{1,20}\Z"), TEXT))
    def test_reads_what_it_wrote(self, name: str, subject: str, more: dict[str, str]) -> None:
        more = {k: v for k, v in more.items() if k not in RESERVED}
        event = replace(EVENT, id=name, subject=subject, extensions=more)
        headers, body = events.to_http(event)
        assert all(value.isascii() and value.isprintable() for value in headers.values())
        assert events.parse(headers, body) == event


RESERVED = {"specversion", "id", "source", "type", "subject", "time", "data", "datacontenttype"}


class TestToHttp:
    def test_writes_what_the_sdk_reads(self) -> None:
        headers, body = events.to_http(EVENT)
        read = from_http(headers, body)
        assert read["id"] == "e-1"
        assert read["sequence"] == "1"
        assert read.data == EVENT.data


@asynccontextmanager
async def broker(answer: bytes, delay: float = 0) -> AsyncGenerator[tuple[str, list[bytes]], None]:
    """A server that gives one answer and keeps what it was told."""
    told: list[bytes] = []
    serving: list[asyncio.Task[None]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.append(asyncio.current_task())
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            int(x[16:]) for x in head.lower().split(b"\r\n") if x[:14] == b"content-length"
        )
        told.append(head + await reader.readexactly(length))
        await asyncio.sleep(delay)
        writer.write(answer)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        port = server.sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}", told
    finally:
        server.close()
        await asyncio.gather(*serving)


def answer(status: str) -> bytes:
    return f"HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode()


async def publish(url: str, event: Event = EVENT, patience: float = 2.0) -> bool:
    publisher = Publisher(url, patience)
    try:
        return await publisher.publish(event)
    finally:
        await publisher.close()


class TestAPublisher:
    async def test_tells_the_broker_in_binary_mode(self) -> None:
        async with broker(answer("202 Accepted")) as (url, told):
            assert await publish(url)
        assert b"ce-id: e-1" in told[0]
        assert json.loads(told[0].partition(b"\r\n\r\n")[2]) == EVENT.data

    async def test_shows_the_newest_token_where_there_is_one(self, tmp_path: Path) -> None:
        token = tmp_path / "token"
        async with broker(answer("202 Accepted")) as (url, told):
            publisher = Publisher(url, token_file=token)
            for value in ("first", "second"):
                token.write_text(f"{value}\n")
                assert await publisher.publish(EVENT)
            token.unlink()
            assert not await publisher.publish(EVENT)
            await publisher.close()
        assert [b"authorization: Bearer first" in told[0].splitlines(), len(told)] == [True, 2]
        assert b"authorization: Bearer second" in told[1].splitlines()

    @pytest.mark.parametrize("status", ["500 Broken", "404 Not Found", "302 Found"])
    async def test_believes_only_success(self, status: str) -> None:
        async with broker(answer(status)) as (url, _):
            assert not await publish(url)

    async def test_does_not_wait_for_a_slow_broker(self) -> None:
        async with broker(answer("202 Accepted"), delay=0.5) as (url, _):
            assert not await publish(url, patience=0.05)

    @pytest.mark.parametrize("url", ["http://127.0.0.1:9", "nonsense", "http://[::"])
    async def test_never_raises(self, url: str) -> None:
        assert not await publish(url)

    async def test_never_raises_for_what_cannot_be_written(self) -> None:
        assert not await publish("http://127.0.0.1:9", replace(EVENT, data=object()))


class TestSalvage:
    def test_reads_what_can_be_read_as_everyone_does(self) -> None:
        headers, body = events.to_http(EVENT)
        assert events.salvage(headers, body) == events.parse(headers, body) == EVENT

    @pytest.mark.parametrize(
        ("headers", "body"),
        [
            ({"content-type": "text/csv"}, b"a,b\n1,2"),
            ({"content-type": "application/json"}, b"{"),
            ({}, b"\xff\x00"),
            ({"ce-time": "yesterday"}, b"{}"),
            ({"ce-specversion": "0.3"}, b"{}"),
            ({"ce-subject": "x" * 5000}, b"{}"),
        ],
    )
    def test_keeps_what_nobody_can_read_as_it_came(
        self, headers: dict[str, str], body: bytes
    ) -> None:
        sent = BINARY | headers
        salvaged = events.salvage(sent, body)
        again, same = events.to_http(salvaged)
        assert same == body
        assert {k: v for k, v in again.items() if k.startswith("ce-")} == {
            k: v for k, v in sent.items() if k.startswith("ce-")
        }
        assert again["content-type"] == sent.get("content-type", "application/octet-stream")

    @pytest.mark.parametrize("headers", [{}, BINARY | {"ce-id": ""}, {"ce-id": "1"}])
    def test_refuses_what_is_no_event(self, headers: dict[str, str]) -> None:
        with pytest.raises(Poison):
            events.salvage(headers, b"{")
