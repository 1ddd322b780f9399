"""HTTP from the standard library.

A trainer's environment belongs to its framework: a package that pins nothing conflicts with
nothing. `urllib` knows proxies and certificates from the environment, which is all that a beat
every few seconds needs. Redirects are not followed: a token goes where it was sent.
"""

import http
import http.client
import urllib.request
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Protocol

ANSWER_LIMIT = 4 * 1024 * 1024


class Readable(Protocol):
    """A body that is sent as it is read."""

    def read(self, most: int = ..., /) -> bytes: ...


class Unreachable(Exception):
    """No answer came, or none that is whole: what was asked may or may not have happened."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes = b""


class _AsItCame(urllib.request.HTTPErrorProcessor):
    """Any status is an answer: nothing is raised for a 4xx and nothing is followed for a 3xx."""

    def http_response(
        self, request: urllib.request.Request, response: http.client.HTTPResponse
    ) -> http.client.HTTPResponse:
        return response

    https_response = http_response


class Wire:
    """Sends one request and returns what came back, whatever its status."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._opener = urllib.request.build_opener(_AsItCame)

    def send(
        self,
        method: str,
        url: str,
        body: bytes | Readable | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        with self._opened(method, url, body, headers) as answer:
            return Answer(answer.status, dict(answer.headers), answer.read(ANSWER_LIMIT))

    def stream(self, url: str, sink: IO[bytes]) -> Answer:
        """GET, with the body of a 200 written into the sink; a body cut short is Unreachable."""
        with self._opened("GET", url, None, None) as answer:
            if answer.status != http.HTTPStatus.OK:
                return Answer(answer.status, dict(answer.headers), answer.read(ANSWER_LIMIT))
            expected = answer.headers.get("Content-Length")
            written = 0
            while block := answer.read(1024 * 1024):
                written += sink.write(block)
            if expected is not None and written != int(expected):
                raise Unreachable(f"the body broke off after {written} of {expected} bytes")
            return Answer(answer.status, dict(answer.headers))

    @contextmanager
    def _opened(
        self,
        method: str,
        url: str,
        body: bytes | Readable | None,
        headers: Mapping[str, str] | None,
    ) -> Generator[http.client.HTTPResponse]:
        try:
            request = urllib.request.Request(url, body, dict(headers or {}), method=method)
            with self._opener.open(request, timeout=self._timeout) as answer:
                yield answer
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise Unreachable(f"{type(error).__name__}: {error}") from error
