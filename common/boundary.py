"""The outermost layer of a FastAPI function: who asked, HEAD, and what nobody expected."""

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from common import answers, trace


class Boundary:
    """Takes over and echoes X-Request-Id and traceparent, answers HEAD as GET without a body, and
    turns a crash into an answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        reply = _Reply(send, hide_body=scope["method"] == "HEAD")
        reply.identify(Headers(scope=scope))
        if scope["method"] == "HEAD":
            scope = {**scope, "method": "GET"}
        try:
            await self._app(scope, receive, reply.send)
        except Exception as wrong:  # noqa: BLE001 - the boundary
            await reply.fail(wrong)


class _Reply:
    def __init__(self, send: Send, *, hide_body: bool) -> None:
        self._send = send
        self._hide_body = hide_body
        self._started = False
        self._echoed: dict[str, str] = {}

    def identify(self, headers: Headers) -> None:
        request_id = trace.accept_request_id(headers.get("x-request-id"))
        parent = trace.accept(headers.get("traceparent"))
        trace.request_id.set(request_id)
        trace.parent.set(parent)
        self._echoed = {"x-request-id": request_id, "traceparent": str(parent)}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._started = True
            MutableHeaders(scope=message).update(self._echoed)
        elif self._hide_body:
            message = {**message, "body": b""}
        await self._send(message)

    async def fail(self, wrong: Exception) -> None:
        status, headers, body = answers.http_answer(wrong)
        if self._started:
            raise wrong
        headers = [*headers, (b"content-length", b"%d" % len(body))]
        await self.send({"type": "http.response.start", "status": status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body})
