"""What stands before the API: the token, the record of requests, and the faults."""

import asyncio
import inspect
import json
import re
import secrets
from typing import cast
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from infra.local.cluster import status
from infra.local.cluster.faults import Act, Fault, Faults, Hook, Seen, refusal
from infra.local.cluster.moment import Now
from infra.local.cluster.status import Refused

_OBJECTS = re.compile(
    r"^/(?:api/v1|apis/batch/v1)(?:/namespaces/(?P<namespace>[^/]+))?"
    r"/(?P<resource>[^/]+)(?:/(?P<name>[^/]+)(?:/(?P<sub>[^/]+))?)?$"
)
_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_OPEN = ("/healthz", "/readyz", "/livez")


class Gate:
    def __init__(self, app: ASGIApp, *, token: str, faults: Faults, now: Now) -> None:
        self._app = app
        self._token = token
        self._faults = faults
        self._now = now

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["path"] not in _OPEN and not self._known(scope):
            await answer_refusal(status.unauthorized(), send)
        elif act := read_act(scope):
            await self._act(act, scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _known(self, scope: Scope) -> bool:
        given = Headers(scope=scope).get("authorization", "")
        return secrets.compare_digest(given.encode(), f"Bearer {self._token}".encode())

    async def _act(self, act: Act, scope: Scope, receive: Receive, send: Send) -> None:
        receive, act = await _with_name(act, receive)
        struck = self._faults.strike(act)
        await asyncio.sleep(sum(fault.seconds for fault in struck))
        await _call(self._faults.calls(act, after=False))
        refused = next((found for each in struck if (found := refusal(each, act))), None)
        answer: list[Message] = []
        if refused:
            await answer_refusal(refused, _into(answer))
        elif not _is(struck, "cut-before"):
            scope["faults"] = {fault.kind for fault in struck}
            await self._app(scope, receive, _into(answer))
        await _call(self._faults.calls(act, after=True))
        cut = not answer or _is(struck, "cut-after")
        self._faults.seen.append(Seen(self._now(), act, None if cut else answer[0]["status"]))
        await _send(_cut() if cut else answer, send)


def read_act(scope: Scope) -> Act | None:
    found = _OBJECTS.match(scope["path"])
    if not found or found["resource"] == "namespaces":
        return None
    name = found["name"] or ""
    query = parse_qs(scope["query_string"].decode("latin-1"))
    verb = _VERBS.get(scope["method"], "get" if name else "list")
    resource = f"{found['resource']}/{found['sub']}" if found["sub"] else found["resource"]
    return Act(verb, resource, found["namespace"] or "", name, paged="continue" in query)


async def answer_refusal(refused: Refused, send: Send) -> None:
    body = json.dumps(refused.body()).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    if refused.retry_after is not None:
        headers.append((b"retry-after", b"%d" % refused.retry_after))
    await send({"type": "http.response.start", "status": refused.code, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _is(struck: list[Fault], kind: str) -> bool:
    return any(fault.kind == kind for fault in struck)


def _into(answer: list[Message]) -> Send:
    async def keep(message: Message) -> None:
        answer.append(message)

    return keep


def _cut() -> list[Message]:
    """A head that promises more than comes: the server then ends the connection."""
    headers = [(b"content-type", b"application/json"), (b"content-length", b"1000000")]
    return [{"type": "http.response.start", "status": 200, "headers": headers}]


async def _send(answer: list[Message], send: Send) -> None:
    for message in answer:
        await send(message)


async def _call(hooks: list[Hook]) -> None:
    for hook in hooks:
        result = hook()
        if inspect.isawaitable(result):
            await result


async def _with_name(act: Act, receive: Receive) -> tuple[Receive, Act]:
    """A create names its object in the body."""
    if act.verb != "create" or act.name:
        return receive, act
    messages: list[Message] = []
    while not messages or messages[-1].get("more_body"):
        messages.append(await receive())
    body = b"".join(cast(bytes, each.get("body", b"")) for each in messages)
    replay = iter(messages)

    async def again() -> Message:
        return next(replay, None) or await receive()

    named = Act(act.verb, act.resource, act.namespace, _name_in(body))
    return again, named


def _name_in(body: bytes) -> str:
    try:
        return str(json.loads(body)["metadata"]["name"])
    except (ValueError, KeyError, TypeError):
        return ""
