"""Rule 10: a job of a day keeps its voice, through renewals and a change of the signing key."""

import base64
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from common.errors import Unauthenticated
from common.jobs import beat
from common.jobs.beat import Beat, Stands
from common.jobs.group import Group
from common.jobs.state import Status
from common.jobs.told import Heartbeat
from common.tokens import job_token
from common.tokens.job_token import JobTokens
from common.tokens.keyring import KeyRing
from functions.heartbeat.handler import heartbeat
from functions.heartbeat.schema import Answer
from tests.jobs import NOW, make_job
from tests.keys import OTHER_SECRET, SECRET

DAY = timedelta(hours=24)
INTERVAL = timedelta(minutes=10)


def ring(signing: str, retired: Mapping[str, datetime | None]) -> KeyRing:
    secrets = {"old": OTHER_SECRET, "new": SECRET}
    keys = {
        kid: {
            "secret": base64.b64encode(secrets[kid]).decode(),
            "retired_at": at.isoformat() if at else None,
        }
        for kid, at in retired.items()
    }
    return KeyRing.parse(json.dumps({"signing": signing, "keys": keys}))


class Control:
    """The heartbeat function's deed with a clock of ours; a new ring is a new deployment."""

    def __init__(self, pool: asyncpg.Pool, keys: KeyRing) -> None:
        self._pool = pool
        self.now = NOW
        self.deploy(keys)

    def deploy(self, keys: KeyRing) -> None:
        self._keys, self._tokens = keys, JobTokens(keys)

    async def hear(self, job_id: UUID, token: str, sequence: int) -> Answer:
        return await heartbeat(
            Heartbeat(sequence=sequence),
            job_id=job_id,
            claims=self._tokens.verify(token, self.now),
            commit=Group(self._write).add,
            come_alive=_is_alive_already,
            renew=lambda job, attempt, now: job_token.issue(self._keys, str(job), attempt, now),
            interval=10.0,
            now=self.now,
        )

    async def _write(self, beats: Sequence[Beat]) -> Stands:
        return await beat.record(self._pool, beats, now=self.now)


async def _is_alive_already(job_id: UUID, attempt: int) -> None:
    raise AssertionError("the job runs")


class TestADayOfTraining:
    async def test_is_heard_at_every_beat_though_its_signing_key_is_replaced(
        self, pool: asyncpg.Pool
    ) -> None:
        job_id = await make_job(pool, Status.RUNNING)
        control = Control(pool, ring("old", {"old": None}))
        token = job_token.issue(ring("old", {"old": None}), str(job_id), 1, NOW)
        tokens = [token]
        rotation = NOW + timedelta(hours=10)
        beats = DAY // INTERVAL
        for sequence in range(beats):
            control.now = NOW + sequence * INTERVAL
            if control.now == rotation:
                control.deploy(ring("new", {"old": rotation, "new": None}))
            answer = await control.hear(job_id, token, sequence)
            if answer.token is not None:
                token = answer.token
                tokens.append(token)

        assert await pool.fetchval("select count(*) from heartbeats") == beats
        assert 7 <= len(tokens) <= 9
        new = JobTokens(ring("new", {"new": None}))
        assert new.verify(token, control.now).attempt == 1

    async def test_would_be_silent_after_six_hours_without_a_renewal(
        self, pool: asyncpg.Pool
    ) -> None:
        job_id = await make_job(pool, Status.RUNNING)
        keys = ring("old", {"old": None})
        control = Control(pool, keys)
        token = job_token.issue(keys, str(job_id), 1, NOW)
        control.now = NOW + timedelta(hours=6)

        with pytest.raises(Unauthenticated):
            await control.hear(job_id, token, 1)

    @pytest.mark.parametrize("status", [Status.SUCCEEDED, Status.FAILED, Status.CANCELLED])
    async def test_gets_no_fresh_token_after_the_end(
        self, pool: asyncpg.Pool, status: Status
    ) -> None:
        job_id = await make_job(pool, status)
        keys = ring("old", {"old": None})
        control = Control(pool, keys)
        token: Any = job_token.issue(keys, str(job_id), 1, NOW)
        control.now = NOW + timedelta(hours=5)

        answer = await control.hear(job_id, token, 1)

        assert (answer.command, answer.token) == ("stop", None)
