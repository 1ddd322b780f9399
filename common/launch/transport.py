"""Our connections under httpx's client, for who calls the cluster."""

import ssl
from collections.abc import AsyncIterator

import httpx

from common.pipe import Answer, Lost, Pipes, question

PATIENCE = 30.0


class Transport(httpx.AsyncBaseTransport):
    """To one server. Each answer is held whole until it is read, or as much of its end as the
    request's extension `end` says; one that breaks off, or takes longer than the patience, is an
    httpx.TransportError. What is asked may be asked twice."""

    def __init__(self, tls: ssl.SSLContext | bool = True, patience: float = PATIENCE) -> None:
        self._tls = tls
        self._patience = patience
        self._pipes: Pipes | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        asked = question(request.method, url.raw_path, request.headers.raw, request.content)
        try:
            answer = await self._to(url).ask(asked, self._patience, request.extensions.get("end"))
        except TimeoutError:
            raise httpx.ReadTimeout("the answer took too long") from None
        except Lost as wrong:
            raise httpx.RemoteProtocolError(str(wrong)) from wrong
        except OSError as wrong:
            raise httpx.ReadError(str(wrong)) from wrong
        return httpx.Response(answer.status, headers=answer.headers, stream=_Once(answer))

    async def aclose(self) -> None:
        if self._pipes is not None:
            self._pipes.close()

    def _to(self, url: httpx.URL) -> Pipes:
        if self._pipes is None:
            secure = url.scheme == "https"
            port = url.port or (443 if secure else 80)
            self._pipes = Pipes(url.host, port, self._tls if secure else False)
        return self._pipes


class _Once(httpx.AsyncByteStream):
    """A body that is let go of as it is read."""

    def __init__(self, answer: Answer) -> None:
        self._parts = answer.parts

    async def __aiter__(self) -> AsyncIterator[bytes]:
        parts, self._parts = self._parts, []
        yield b"".join(parts)
