"""HTTP from the standard library.

A trainer's environment belongs to its framework: a package that pins nothing conflicts with
nothing. `urllib` knows proxies and certificates from the environment, which is all that a beat
every few seconds needs. Redirects are not followed: a token goes where it was sent.
"""

import codecs
import http
import http.client
import urllib.request
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

ANSWER_LIMIT = 4 * 1024 * 1024
BLOCK = 256 * 1024
# Else imported where the first host is looked up, by a thread that keeps the interpreter for 2 ms.
codecs.lookup("idna")


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

    def read(
        self,
        url: str,
        headers: Mapping[str, str],
        begin: Callable[[Answer], Callable[[bytes], object]],
    ) -> Answer:
        """GET, with the body of a 200 or 206 given to what `begin` answers, a block at a time; a
        body cut short is Unreachable. The answer is without its body, unless that is an error."""
        with self._opened("GET", url, None, headers) as answer:
            head = Answer(answer.status, dict(answer.headers))
            if head.status not in (http.HTTPStatus.OK, http.HTTPStatus.PARTIAL_CONTENT):
                return Answer(head.status, head.headers, answer.read(ANSWER_LIMIT))
            take, read = begin(head), 0
            while block := answer.read(BLOCK):
                read += len(block)
                take(block)
            expected = answer.headers.get("Content-Length")
            if expected is not None and read != int(expected):
                raise Unreachable(f"the body broke off after {read} of {expected} bytes")
            return head

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
