"""Bare uvicorn answering a constant.

Fair: it has the same server, loop and parser as ours and does no work at all, not even reading the
body; nothing written in Python for uvicorn can be quicker.
"""

import os

import uvicorn

BODY = b'{"status":"success","message":"OK","data":{"command":"continue","intervalSeconds":10}}'
START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(BODY)).encode()),
    ],
}


async def app(scope, receive, send):
    await send(START)
    await send({"type": "http.response.body", "body": BODY})


if __name__ == "__main__":
    uvicorn.run(
        app,
        port=int(os.environ["PORT"]),
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="off",
        access_log=False,
        log_level="warning",
        # No connection is lost to a busy machine.
        timeout_keep_alive=60,
    )
