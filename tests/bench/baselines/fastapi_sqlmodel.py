"""The same work as FastAPI with an SQLModel session and PyJWT.

Fair: it is how most would write it by the books of these libraries, asynchronous throughout, on
asyncpg and uvloop, with the row locked once and each heartbeat one row; nothing is slowed on
purpose.
"""

import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

import jwt
import uvicorn
from fastapi import Depends, FastAPI, Header, HTTPException
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

import common.tables.job  # noqa: F401  # pyright: ignore[reportUnusedImport] - rows refer to its
from common.tables.telemetry import Beat, Heartbeat
from tests.keys import SECRET

POOL = 16


class Told(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel)

    sequence: int
    epoch: int | None = None
    total_epochs: int | None = None
    step: int | None = None
    total_steps: int | None = None
    metrics: dict[str, float] = {}


class Answer(BaseModel):
    status: str = "success"
    message: str = "OK"
    data: dict[str, Any]


engine = create_async_engine(
    os.environ.get("DATABASE_URL", "postgresql://").replace(
        "postgresql://", "postgresql+asyncpg://"
    ),
    pool_size=POOL,
    max_overflow=0,
)
app = FastAPI()


async def session() -> AsyncIterator[AsyncSession]:
    async with AsyncSession(engine) as opened:
        yield opened


async def claims(authorization: Annotated[str, Header()]) -> dict[str, Any]:
    try:
        return jwt.decode(
            authorization.removeprefix("Bearer "),
            SECRET,
            algorithms=["HS256"],
            audience="eventrain-callback",
        )
    except jwt.InvalidTokenError:
        raise HTTPException(401) from None


@app.post("/v1/jobs/{job_id}/heartbeat")
async def heartbeat(
    job_id: UUID,
    told: Told,
    claims: Annotated[dict[str, Any], Depends(claims)],
    session: Annotated[AsyncSession, Depends(session)],
) -> Answer:
    if claims["sub"] != str(job_id):
        raise HTTPException(401)
    beat = (await session.exec(select(Beat).where(Beat.job_id == job_id).with_for_update())).one()
    if beat.attempt != claims["attempt"]:
        raise HTTPException(409)
    now = datetime.now(UTC)
    beat.last_seen = now
    command = beat.command
    if await session.get(Heartbeat, (job_id, beat.attempt, told.sequence)) is None:
        body = told.model_dump(by_alias=True)
        beat.sequence, beat.body = max(beat.sequence, told.sequence), body
        beat.marker, beat.progressed_at = f"{told.epoch}/{told.step}", now
        session.add(
            Heartbeat(
                job_id=job_id,
                attempt=beat.attempt,
                sequence=told.sequence,
                received_at=now,
                body=body,
            )
        )
    await session.commit()
    return Answer(data={"command": command, "intervalSeconds": 10.0})


if __name__ == "__main__":
    uvicorn.run(
        app,
        port=int(os.environ["PORT"]),
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
        # No connection is lost to a busy machine.
        timeout_keep_alive=60,
    )
