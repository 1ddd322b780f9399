"""One statement a request, on asyncpg in a bare ASGI app.

Fair: it does the same durable, fenced, deduplicated write into the same tables with one prepared
statement, on the quickest driver and reader of JSON there are, knows its tokens by heart after the
first time as ours does, and leaves out what ours also does: request ids, tracing, the renewal of
tokens, limits on the body, answers to errors.
"""

import os
from uuid import UUID

import asyncpg
import jwt
import msgspec
import uvicorn

from tests.keys import SECRET

POOL = 16
WRITE = """
with touched as (
    update beats
    set
        last_seen = now(),
        progressed_at = case
            when $3 > sequence and $4 is distinct from coalesce(marker, '') then now()
            else coalesce(progressed_at, now())
        end,
        marker = case when $3 > sequence then $4 else marker end,
        body = case when $3 > sequence then $5::text::jsonb else body end,
        sequence = greatest(sequence, $3)
    where job_id = $1 and attempt = $2
    returning command
),
history as (
    insert into heartbeats (job_id, attempt, sequence, received_at, body)
    select $1, $2, $3, now(), $5::text::jsonb from touched
    on conflict do nothing
)
select command from touched
"""


class Heartbeat(msgspec.Struct, rename="camel"):
    sequence: int
    epoch: int
    total_epochs: int
    step: int
    total_steps: int
    metrics: dict[str, float]


class App:
    def __init__(self, url: str) -> None:
        self._url = url
        self._claims: dict[bytes, tuple[UUID, int]] = {}
        self._decoder = msgspec.json.Decoder(Heartbeat)

    async def __call__(self, scope, receive, send):
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        job_id, attempt = self._authenticate(scope)
        body = (await receive())["body"]
        beat = self._decoder.decode(body)
        marker = f"{beat.epoch}/{beat.step}"
        command = await self._pool.fetchval(
            WRITE, job_id, attempt, beat.sequence, marker, body.decode()
        )
        if command is None:
            await _answer(send, 409, b'{"status":"fail","message":"stale","data":null}')
            return
        said = b'{"command":"%b","intervalSeconds":10.0}' % command.encode()
        await _answer(send, 200, b'{"status":"success","message":"OK","data":%b}' % said)

    def _authenticate(self, scope):
        token = dict(scope["headers"])[b"authorization"][7:]
        known = self._claims.get(token)
        if known is None:
            claims = jwt.decode(token, SECRET, algorithms=["HS256"], audience="eventrain-callback")
            known = self._claims[token] = UUID(claims["sub"]), claims["attempt"]
        return known

    async def _live(self, receive, send):
        await receive()
        self._pool = await asyncpg.create_pool(self._url, min_size=POOL, max_size=POOL)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._pool.close()
        await send({"type": "lifespan.shutdown.complete"})


async def _answer(send, status, body):
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


if __name__ == "__main__":
    uvicorn.run(
        App(os.environ["DATABASE_URL"]),
        port=int(os.environ["PORT"]),
        loop="uvloop",
        http="httptools",
        ws="none",
        access_log=False,
        log_level="warning",
        # No connection is lost to a busy machine.
        timeout_keep_alive=60,
    )
