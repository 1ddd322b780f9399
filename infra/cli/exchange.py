"""One HTTP call: the envelope opened, errors typed, repeated where a repeat is harmless."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, cast
from urllib.parse import urlsplit

import httpx

from infra.cli.errors import Refused, ServerFault, Unreachable, Violation

REPEATABLE = frozenset({"GET", "HEAD", "DELETE", "PUT"})
NOT_READY = frozenset({429, 502, 503, 504})
NEXT_CURSOR = "X-Next-Cursor"
EVENT_STREAM = "text/event-stream"
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


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


class Exchange:
    def __init__(
        self,
        address: str,
        token: str,
        *,
        patience: Patience | None = None,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self.address = address.rstrip("/")
        self._patience = patience or Patience()
        self._sleep = sleep
        url = urlsplit(self.address)
        self._http = httpx.Client(
            base_url=self.address,
            headers={"Authorization": f"Bearer {token}", "Accept": "application/json"},
            timeout=httpx.Timeout(60.0, connect=5.0),
            transport=transport,
            # A proxy cannot reach this machine's loopback, and plain http needs no certificates.
            trust_env=url.hostname not in LOOPBACK,
            verify=url.scheme == "https",
        )

    def close(self) -> None:
        self._http.close()

    def call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        repeatable: bool | None = None,
        **body: Any,
    ) -> Any:
        """The envelope's `data`. `repeatable` says that a second delivery changes nothing."""
        data, _ = self.call_for_page(
            method, path, params=params, headers=headers, repeatable=repeatable, **body
        )
        return data

    def call_for_page(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        repeatable: bool | None = None,
        **body: Any,
    ) -> tuple[Any, str | None]:
        """`data`, and the next page's cursor where a header names it, beside a bare array."""
        given = {key: value for key, value in (params or {}).items() if value is not None}
        request = self._http.build_request(
            method, path, params=given, headers={**_trace_headers(), **(headers or {})}, **body
        )
        may_repeat = method in REPEATABLE if repeatable is None else repeatable
        response = self._send(request, may_repeat)
        return opened(response, self.address), response.headers.get(NEXT_CURSOR)

    def answer(self, path: str) -> httpx.Response:
        """Whatever is answered, for who looks at more than the envelope. Raises Unreachable."""
        request = self._http.build_request("GET", path, headers=_trace_headers())
        return self._send(request, may_repeat=True)

    def listen(
        self, path: str, *, params: Mapping[str, Any] | None = None, last: str | None = None
    ) -> Iterator[Told]:
        """What a stream of events tells after the id `last`, until it breaks off. Raises as a
        call does, and ServerFault where nothing is streamed."""
        given = {key: value for key, value in (params or {}).items() if value is not None}
        headers = {**_trace_headers(), "Accept": EVENT_STREAM}
        headers |= {"Last-Event-ID": last} if last else {}
        try:
            with self._http.stream("GET", path, params=given, headers=headers) as response:
                if not response.headers.get("Content-Type", "").startswith(EVENT_STREAM):
                    response.read()
                    opened(response, self.address)
                    raise ServerFault("Nothing is streamed there.", status=response.status_code)
                yield from _told(response.iter_lines())
        except httpx.TransportError as error:
            raise Unreachable(f"{self.address} broke off ({_cause(error)}).") from error

    def _send(self, request: httpx.Request, may_repeat: bool) -> httpx.Response:
        attempt = 0
        while True:
            attempt += 1
            answer = self._try(request)
            ready = isinstance(answer, httpx.Response) and answer.status_code not in NOT_READY
            wait = None
            if not ready and may_repeat:
                wait = self._patience.wait_before(attempt, _retry_after(answer))
            if wait is not None:
                self._sleep(wait)
                continue
            if isinstance(answer, httpx.Response):
                return answer
            raise Unreachable(f"Nobody answers at {self.address} ({_cause(answer)}).") from answer

    def _try(self, request: httpx.Request) -> httpx.Response | httpx.TransportError:
        try:
            return self._http.send(request)
        except httpx.TransportError as error:
            return error


def _told(lines: Iterator[str]) -> Iterator[Told]:
    fields: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        if line:
            fields[name] = value
            continue
        if "data" in fields:
            yield Told(fields.get("event", ""), json.loads(fields["data"]), fields.get("id"))
        fields = {}


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
        raise _refusal(response.status_code, message, envelope["data"], request_id)
    raise ServerFault(message, status=response.status_code, request_id=request_id)


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


def _refusal(status: int, message: str, data: Any, request_id: str | None) -> Refused:
    detail = cast("dict[str, Any]", data) if isinstance(data, dict) else {}
    violations = tuple(
        Violation(str(error.get("field", "")), str(error.get("reason", "")))
        for error in detail.get("errors") or ()
    )
    return Refused(
        message,
        status=status,
        code=detail.get("code"),
        violations=violations,
        request_id=request_id,
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


def _cause(error: httpx.TransportError) -> str:
    if isinstance(error, httpx.TimeoutException):
        return "it took too long"
    return str(error) or type(error).__name__
