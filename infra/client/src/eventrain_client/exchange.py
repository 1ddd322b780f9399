"""One HTTP call as a flow: the envelope opened, errors typed, repeated where a repeat is harmless."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, cast

import httpx

from eventrain_client.errors import Refused, ServerFault, Unreachable, Violation
from eventrain_client.flow import Close, Course, Flow, Item, Next, Open, Opened, Read, Send, Sleep

API = "/llm-ops/v1"
REPEATABLE = frozenset({"GET", "HEAD", "DELETE", "PUT"})
NOT_READY = frozenset({429, 502, 503, 504})
NEXT_CURSOR = "X-Next-Cursor"
EVENT_STREAM = "text/event-stream"
AGENT = "eventrain-client"


@dataclass(frozen=True, slots=True)
class Told:
    """One event of a stream; with its id the stream is taken up behind it."""

    event: str
    data: Any
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Patience:
    """How often a call is tried, and the longest Retry-After that is waited for."""

    tries: int = 4
    first_wait: float = 0.2
    longest_wait: float = 10.0

    def wait_before(self, attempt: int, retry_after: str | None) -> float | None:
        """Seconds to wait before try number `attempt` + 1; None when it is time to give up."""
        if attempt >= self.tries:
            return None
        asked = _seconds(retry_after)
        if asked is None:
            return self.first_wait * 2 ** (attempt - 1)
        return asked if asked <= self.longest_wait else None


@dataclass(frozen=True)
class Exchange:
    """Paths are those below the API's prefix; one that begins with it is taken as it is."""

    address: str
    token: str
    patience: Patience

    def ask(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        repeatable: bool | None = None,
        **body: Any,
    ) -> Flow[Any]:
        """The envelope's `data`. `repeatable` says that a second delivery changes nothing."""
        request = self._request(method, path, params, headers, **body)
        response = yield from self._send(request, repeatable)
        return opened(response, self.address)

    def answer(self, path: str) -> Flow[httpx.Response]:
        """Whatever is answered, for who looks at more than the envelope. Raises Unreachable."""
        return self._send(self._request("GET", path, None, None), True)

    def page(
        self, path: str, name: str, params: Mapping[str, Any]
    ) -> Flow[tuple[list[Any], str | None]]:
        """Some rows of a list, and where the next begin. The cursor lies beside them or, where they
        are a bare array, in a header."""
        response = yield from self._send(self._request("GET", path, params, None), True)
        page = opened(response, self.address)
        if isinstance(page, list):
            return page, response.headers.get(NEXT_CURSOR)
        return page[name], page.get("nextCursor")

    def rows(self, path: str, name: str, params: Mapping[str, Any] | None = None) -> Course[Any]:
        """All rows of a list, page by page."""
        cursor: str | None = None
        while True:
            asked = {**(params or {}), "cursor": cursor}
            rows, following = yield from self.page(path, name, asked)
            for row in rows:
                yield Item(row)
            if following is None or following == cursor or not rows:
                return
            cursor = following

    def listen(
        self, path: str, *, params: Mapping[str, Any] | None = None, last: str | None = None
    ) -> Flow[Stream]:
        """A stream of events, from behind the id `last`. Raises as a call does, and ServerFault where
        nothing is streamed."""
        headers = {"Accept": EVENT_STREAM} | ({"Last-Event-ID": last} if last else {})
        request = self._request("GET", path, params, headers)
        try:
            found: Opened = yield Open(request, lines=True)
            if found.response.headers.get("Content-Type", "").startswith(EVENT_STREAM):
                return Stream(self.address, found)
            yield Read(found)
        except httpx.TransportError as error:
            raise Unreachable(f"{self.address} broke off ({cause(error)}).") from error
        opened(found.response, self.address)
        raise ServerFault("Nothing is streamed there.", status=found.response.status_code)

    def _request(
        self,
        method: str,
        path: str,
        params: Mapping[str, Any] | None,
        headers: Mapping[str, str] | None,
        **body: Any,
    ) -> httpx.Request:
        below = path if path.startswith(API) else API + path
        given = {key: value for key, value in (params or {}).items() if value is not None}
        said = {
            "Authorization": f"Bearer {self.token}",
            "Accept": "application/json",
            "Accept-Encoding": "gzip, deflate",
            "User-Agent": AGENT,
            **_trace_headers(),
            **(headers or {}),
        }
        return httpx.Request(method, self.address + below, params=given, headers=said, **body)

    def _send(self, request: httpx.Request, repeatable: bool | None) -> Flow[httpx.Response]:
        may_repeat = request.method in REPEATABLE if repeatable is None else repeatable
        attempt = 0
        while True:
            attempt += 1
            answer = yield from _try(request)
            ready = isinstance(answer, httpx.Response) and answer.status_code not in NOT_READY
            wait = None
            if not ready and may_repeat:
                wait = self.patience.wait_before(attempt, _retry_after(answer))
            if wait is not None:
                yield Sleep(wait)
                continue
            if isinstance(answer, httpx.Response):
                return answer
            raise Unreachable(f"Nobody answers at {self.address} ({cause(answer)}).") from answer


def _try(request: httpx.Request) -> Flow[httpx.Response | httpx.TransportError]:
    try:
        return (yield Send(request))
    except httpx.TransportError as error:
        return error


@dataclass(frozen=True, slots=True)
class Stream:
    address: str
    of: Opened

    def next(self) -> Flow[Told | None]:
        """What is told next; None when the stream has ended. Raises Unreachable when it broke
        off."""
        fields: dict[str, str] = {}
        try:
            while (line := (yield Next(self.of))) is not None:
                name, _, value = line.partition(": ")
                if line:
                    fields[name] = value
                elif "data" in fields:
                    data = json.loads(fields["data"])
                    return Told(fields.get("event", ""), data, fields.get("id"))
                else:
                    fields = {}
            yield Close(self.of)
        except httpx.TransportError as error:
            raise Unreachable(f"{self.address} broke off ({cause(error)}).") from error
        return None


def opened(response: httpx.Response, address: str) -> Any:
    """The `data` of this answer. Raises what its refusal means."""
    request_id = response.headers.get("X-Request-Id")
    envelope = _envelope(response)
    if envelope is None:
        raise _stranger(response, address)
    if response.is_success and envelope["status"] == "success":
        return envelope["data"]
    message = str(envelope["message"])
    if response.status_code in NOT_READY - {429}:
        raise Unreachable(message, answered=True)
    if response.is_client_error:
        raise _refusal(response, message, envelope["data"], request_id)
    raise ServerFault(message, status=response.status_code, request_id=request_id)


def cause(error: httpx.TransportError) -> str:
    if isinstance(error, httpx.TimeoutException):
        return "it took too long"
    return str(error) or type(error).__name__


def _envelope(response: httpx.Response) -> dict[str, Any] | None:
    try:
        body: object = response.json()
    except ValueError:
        return None
    if not isinstance(body, dict):
        return None
    envelope = cast("dict[str, Any]", body)
    return envelope if {"status", "message", "data"} <= envelope.keys() else None


def _stranger(response: httpx.Response, address: str) -> Unreachable | ServerFault:
    status = response.status_code
    if status in NOT_READY:
        return Unreachable(f"{address} is not ready (HTTP {status}).", answered=True)
    return ServerFault(
        f"What answers at {address} does not speak as Eventrain does (HTTP {status}).",
        status=status,
    )


def _refusal(response: httpx.Response, message: str, data: Any, request_id: str | None) -> Refused:
    detail = cast("dict[str, Any]", data) if isinstance(data, dict) else {}
    violations = tuple(
        Violation(str(error.get("field", "")), str(error.get("reason", "")))
        for error in detail.get("errors") or ()
    )
    return Refused(
        message,
        status=response.status_code,
        code=detail.get("code"),
        violations=violations,
        request_id=request_id,
        retry_after=_seconds(response.headers.get("Retry-After")),
    )


def _trace_headers() -> dict[str, str]:
    trace, span = uuid.uuid4().hex, uuid.uuid4().hex[:16]
    return {"X-Request-Id": str(uuid.uuid4()), "traceparent": f"00-{trace}-{span}-01"}


def _retry_after(answer: httpx.Response | httpx.TransportError) -> str | None:
    return answer.headers.get("Retry-After") if isinstance(answer, httpx.Response) else None


def _seconds(retry_after: str | None) -> float | None:
    if not retry_after:
        return None
    if retry_after.isdigit():
        return float(retry_after)
    try:
        moment = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
