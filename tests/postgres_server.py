"""One real Postgres for a test run: migrated once, copied for each test."""

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Coroutine
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg

from infra.local import credential, postgres
from infra.local.home import Home
from infra.local.roster import Roster

CLONE = Path(__file__).parents[1]
TEMPLATE = "template_eventrain"


@dataclass(frozen=True)
class Database:
    """A test's own copy of the migrated database."""

    url: str
    name: str


class PostgresServer:
    """Runs on a thread of its own, so that it outlives the event loops of the tests."""

    def __init__(self, folder: Path) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="postgres")
        self._home = Home(folder)
        secrets = replace(
            credential.load_or_make(folder / "secrets.json"), postgres_admin_password="admin"
        )
        self._postgres = postgres.Postgres(
            self._home,
            postgres.find_binaries(),
            secrets,
            roster=Roster(folder / "roster.json"),
            report=lambda text: None,
        )

    def start(self) -> None:
        self._thread.start()
        self._wait(self._postgres.start())
        self._wait(self._admin(f"create database {TEMPLATE} is_template true"))
        subprocess.run(
            [sys.executable, "-m", "common.migrate"],
            env={**os.environ, "DATABASE_URL": self._url(TEMPLATE)},
            cwd=CLONE,
            check=True,
        )

    def stop(self) -> None:
        self._wait(self._postgres.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def pid(self) -> int | None:
        return self._postgres.pid

    def kill(self) -> None:
        """kill -9; its keeper starts it again."""
        self._loop.call_soon_threadsafe(self._postgres.kill)

    def create(self) -> Database:
        name = f"test_{uuid4().hex}"
        self._wait(self._admin(f"create database {name} template {TEMPLATE}"))
        return Database(self._url(name), name)

    def create_empty(self, name: str) -> str:
        """A database without our schema, for somebody else; its address."""
        self._wait(self._admin(f"create database {name}"))
        return self._url(name)

    def drop(self, database: Database) -> None:
        self._wait(self._admin(f"drop database {database.name} with (force)"))

    def _url(self, name: str) -> str:
        return f"postgresql://postgres:admin@{urlsplit(self._postgres.url).netloc.split('@')[1]}/{name}"

    async def _admin(self, statement: str) -> None:
        connection = await asyncpg.connect(self._url("postgres"))
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    def _wait(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(60)
