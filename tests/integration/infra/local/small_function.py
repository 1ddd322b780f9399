"""A function in miniature: it does what its path says. Stands alone, run as a process."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import uvicorn

SEEN = Path(os.environ["SEEN"])


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        return
    path = scope["path"]
    if path == "/readyz":
        await answer(send, 200)
    elif path == "/stream":
        await until_gone(receive, stream(send))
    elif path == "/crash":
        os._exit(3)
    elif path == "/early":
        await answer(send, 413, b"too large")
    else:
        await respond(path, scope, receive, send)


async def respond(path: str, scope: Any, receive: Any, send: Any) -> None:
    body = await read(receive)
    headers = {name.decode(): value.decode() for name, value in scope["headers"]}
    note({"path": path, "headers": headers, "length": len(body), "body": body.decode()[:200]})
    if "slow" in path:
        await asyncio.sleep(float(scope["query_string"] or 1))
    status = statuses()
    pid = str(os.getpid()).encode() if status != 204 else b""
    await answer(send, status, pid)


def statuses() -> int:
    """What the test wants to hear next, else 200."""
    plan = SEEN.with_suffix(".plan")
    wanted = plan.read_text().split() if plan.exists() else []
    if not wanted:
        return 200
    if len(wanted) > 1:
        plan.write_text(" ".join(wanted[1:]))
    return int(wanted[0])


async def until_gone(receive: Any, work: Any) -> None:
    await receive()
    task = asyncio.create_task(work)
    gone = asyncio.create_task(receive())
    await asyncio.wait((task, gone), return_when=asyncio.FIRST_COMPLETED)
    task.cancel()
    note({"path": "/stream ended"})


async def stream(send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for number in range(1000):
        piece = f"{number}\n".encode()
        await send({"type": "http.response.body", "body": piece, "more_body": True})
        await asyncio.sleep(0.05)


async def read(receive: Any) -> bytes:
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return body


async def answer(send: Any, status: int, body: bytes = b"") -> None:
    headers = [(b"x-function", b"small"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def note(entry: dict[str, Any]) -> None:
    with SEEN.open("a") as file:
        file.write(json.dumps(entry) + "\n")


if __name__ == "__main__":
    if SEEN.with_suffix(".broken").exists():
        sys.exit("it is broken")
    uvicorn.run(
        app, host=os.environ["BIND_ADDRESS"], port=int(os.environ["PORT"]), log_level="error"
    )
