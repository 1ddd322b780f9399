"""A stack inside the test's process, whose functions can be killed at any commit."""

import asyncio
import json
import os
import signal
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import httpx

from infra.local.broker import Timing, at_once
from infra.local.cluster import Faults
from infra.local.settings import StackSettings
from infra.local.stack import Stack
from tests.chaos.tap import Side, Tap, Trap
from tests.functional.user import TERMINAL, request

NEVER = "@yearly"
EXPECTED = ("submitted", "queued", "started", "succeeded", "registered")


class Plant:
    """The stack, the tap between its functions and Postgres, and a user."""

    def __init__(
        self,
        home: Path,
        database_url: str,
        *,
        timing: Timing = at_once,
        tick: str = "* * * * * *",
    ) -> None:
        self._url = urlsplit(database_url)
        self.tap = Tap(self._url.hostname or "", self._url.port or 0)
        self.faults = Faults()
        self.home = home
        self._tick = tick
        self._timing = timing
        self._database_url = database_url

    async def start(self) -> None:
        await self.tap.start()
        tapped = self._url._replace(
            netloc=f"{self._url.username}:{self._url.password}@127.0.0.1:{self.tap.port}"
        )
        self.stack = Stack(
            StackSettings(
                home=self.home,
                port=0,
                database_url=tapped.geturl(),
                tick=self._tick,
                configuration={"TRAINING_JOB_STATUS_SYNC_INTERVAL": "1"},
                faults=self.faults,
                timing=self._timing,
            ),
            lambda text: None,
        )
        await self.stack.start()
        client = self.stack.home.folder / "client.json"
        known = json.loads(client.read_text())
        self.http = httpx.AsyncClient(
            base_url=known["address"],
            headers={"authorization": f"Bearer {known['token']}"},
            timeout=30,
        )
        self.pool = await asyncpg.create_pool(self._database_url, min_size=1, max_size=4)

    async def stop(self) -> None:
        await self.http.aclose()
        await self.stack.stop()
        await self.pool.close()
        await self.tap.stop()

    def kill(self, function: str) -> None:
        """kill -9."""
        pid = self.stack.serving.functions[function].pid
        if pid is not None:
            os.kill(pid, signal.SIGKILL)

    @contextmanager
    def down(self, function: str) -> Generator[None]:
        """It ends as soon as it is started, however often that is tried."""
        found = self.stack.serving.functions[function]
        plan = found.plan
        found.plan = replace(plan, argv=("false",))
        self.kill(function)
        try:
            yield
        finally:
            found.plan = plan

    def set_trap(self, function: str, nth: int, side: Side) -> Trap:
        """The function dies at its n-th commit from now."""
        trap = Trap(function.replace("-", "_"), nth, side, lambda: self.kill(function))
        self.tap.trap = trap
        return trap

    async def submit(self, key: str) -> str:
        """As a client does that asks again until it is answered; one key, one job."""
        deadline = time.monotonic() + 30
        body = request(hyperparameters={"epochs": 2})
        while True:
            try:
                answer = await self.http.post(
                    "/llm-ops/v1/training/jobs", json=body, headers={"Idempotency-Key": key}
                )
                if answer.status_code == 200:
                    return answer.json()["data"]["id"]
            except httpx.TransportError:
                pass
            assert time.monotonic() < deadline
            await asyncio.sleep(0.2)

    async def until(self, job_id: str, seen: Callable[[Any], bool], seconds: float = 60) -> Any:
        """The job's row once it is so. Leases and pauses are cut short, so that minutes pass in
        moments: whatever is due later is due now."""
        deadline = time.monotonic() + seconds
        while True:
            row = await self.pool.fetchrow("select * from jobs where id = $1", job_id)
            if row is not None and seen(row):
                return row
            assert time.monotonic() < deadline, await self.standing(job_id)
            await self.hurry()
            await asyncio.sleep(0.25)

    async def standing(self, job_id: str) -> str:
        found: list[str] = []
        for table, key in (("jobs", "id"), ("work", "job_id"), ("job_events", "job_id")):
            rows = await self.pool.fetch(f"select * from {table} where {key} = $1", job_id)
            found += [f"{table}: {dict(row)}" for row in rows]
        return "\n".join(found)

    async def hurry(self) -> None:
        """An hour passes for whatever waits. Where no clock ticks nobody would look, and whoever
        claims a row at this moment would pass over it for good."""
        if self._tick == NEVER:
            return
        hour = "now() - interval '1 hour'"
        await self.pool.execute(f"update work set next_at = {hour} where state = 'due'")
        await self.pool.execute(
            f"update job_events set next_at = {hour} where published_at is null"
        )

    async def check(self, job_id: str) -> None:
        """Once through, told once, launched once, nothing missing."""
        row = await self.until(job_id, lambda row: row["output_model_entry_id"] is not None)
        assert row["status"] in TERMINAL
        lines = await self.pool.fetch(
            "select sequence, type from job_events where job_id = $1 order by sequence", job_id
        )
        assert tuple(line["type"].split(".")[-2] for line in lines) == EXPECTED
        assert [line["sequence"] for line in lines] == list(range(1, len(lines) + 1))
        assert row["attempt"] == 1
        created = [
            seen
            for seen in self.faults.seen
            if (seen.act.verb, seen.act.resource) == ("create", "jobs")
            and seen.act.name == f"train-{job_id}-1"
            and seen.code in (200, 201)
        ]
        assert len(created) == 1
        await self._check_rows(job_id)

    async def _check_rows(self, job_id: str) -> None:
        losses = await self.pool.fetchval(
            "select count(distinct point ->> 'step') from heartbeats,"
            " jsonb_array_elements(body -> 'points') as point"
            " where job_id = $1 and point ->> 'name' = 'loss'",
            job_id,
        )
        assert losses == 2
        assert (
            await self.pool.fetchval("select count(*) from models where job_id = $1", job_id) == 1
        )
        deadline = time.monotonic() + 30
        while await self.pool.fetchval(
            "select exists (select from job_events where job_id = $1 and published_at is null)"
            " or exists (select from work where job_id = $1 and state = 'due')",
            job_id,
        ):
            assert time.monotonic() < deadline
            await self.hurry()
            await asyncio.sleep(0.2)
