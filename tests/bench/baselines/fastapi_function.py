"""A bare FastAPI + SQLModel + asyncpg function: one route, one table, one row read.

Fair: it is the smallest program of these three libraries that answers from the database; it
checks no token, has no envelope, no settings, no logs and no health paths.
"""

import os
from typing import Annotated

import uvicorn
from fastapi import Depends, FastAPI
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel import Field, SQLModel, select
from sqlmodel.ext.asyncio.session import AsyncSession

URL = os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+asyncpg://")
engine = create_async_engine(URL)
app = FastAPI()


class Job(SQLModel, table=True):
    __tablename__ = "jobs"

    id: str = Field(primary_key=True)
    name: str
    status: str


class Jobs(SQLModel):
    jobs: list[str]


async def session():
    async with AsyncSession(engine) as opened:
        yield opened


@app.get("/")
async def read(session: Annotated[AsyncSession, Depends(session)]) -> Jobs:
    return Jobs(jobs=list((await session.exec(select(Job.name).limit(1))).all()))


if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ["PORT"]), access_log=False, log_level="warning")
