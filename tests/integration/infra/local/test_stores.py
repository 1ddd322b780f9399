import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import boto3
import pytest
import pytest_asyncio
from botocore.config import Config

from infra.local import credential, process
from infra.local.home import Home
from infra.local.network import bind
from infra.local.postgres import Postgres, choose_identity, find_binaries
from infra.local.problem import HomeProblem, PartMissing
from infra.local.roster import Roster
from infra.local.s3 import S3, find_binary
from tests.integration.infra.local.conftest import eventually


class Parts:
    """Makes parts of one home, again and again."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.told: list[str] = []
        self.roster = Roster(home / "processes.json")
        self.credentials = credential.load_or_make(home / "secrets.json")

    def postgres(self) -> Postgres:
        common = {"roster": self.roster, "report": self.told.append}
        return Postgres(self.home, find_binaries(), self.credentials, **common)

    def s3(self) -> S3:
        common = {"roster": self.roster, "report": self.told.append}
        return S3(self.home, find_binary(), self.credentials, "eventrain", **common)

    def s3_client(self, s3: S3) -> Any:
        return boto3.client(
            "s3",
            endpoint_url=s3.address,
            region_name="us-east-1",
            aws_access_key_id=self.credentials.s3_access_key_id,
            aws_secret_access_key=self.credentials.s3_secret_access_key,
            config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}),
        )


@pytest_asyncio.fixture
async def parts(tmp_path: Path) -> AsyncIterator[Parts]:
    """The home lies in a folder that is closed to others."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    home = Home(closed / "home")
    home.open()
    yield Parts(home)
    assert closed.stat().st_mode & 0o777 == 0o700
    assert home.folder.stat().st_mode & 0o777 == 0o700
    home.close()


async def value(postgres: Postgres, statement: str) -> Any:
    connection = await asyncpg.connect(postgres.url, timeout=5)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


class TestPostgres:
    async def test_keeps_its_rows_over_a_stop_a_kill_and_a_stale_pid(self, parts: Parts) -> None:
        postgres = parts.postgres()
        await postgres.start()
        await value(postgres, "CREATE TABLE kept AS SELECT 7 AS number")
        first = postgres.pid
        os.kill(first or 0, signal.SIGKILL)
        await eventually(lambda: postgres.pid not in (None, first))
        await eventually_accepts(postgres)
        assert await value(postgres, "SELECT number FROM kept") == 7
        await postgres.stop()
        stale = parts.home / "postgres/data/postmaster.pid"
        stale.write_text(f"{os.getpid()}\n{stale.parent}\n")
        again = parts.postgres()
        await again.start()
        assert await value(again, "SELECT number FROM kept") == 7
        await again.stop()

    async def test_is_durable_asks_for_a_password_and_gives_no_more_than_needed(
        self, parts: Parts
    ) -> None:
        postgres = parts.postgres()
        await postgres.start()
        assert await value(postgres, "SHOW fsync") == "on"
        assert await value(postgres, "SHOW synchronous_commit") == "on"
        assert await value(postgres, "SELECT rolsuper FROM pg_roles WHERE rolname = user") is False
        wrong = postgres.url.replace(parts.credentials.postgres_password, "wrong")
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(wrong)
        owner = (parts.home / "postgres/data").stat().st_uid
        assert owner == choose_identity(find_binaries().folder).get("user", os.geteuid())
        await postgres.stop()

    async def test_data_of_another_version_is_told(self, parts: Parts) -> None:
        postgres = parts.postgres()
        (parts.home / "postgres/data").mkdir()
        (parts.home / "postgres/data/PG_VERSION").write_text("9\n")
        with pytest.raises(HomeProblem, match="made by Postgres 9"):
            await postgres.start()

    def test_missing_binaries_are_told(self, tmp_path: Path) -> None:
        with pytest.raises(PartMissing, match="set DATABASE_URL"):
            find_binaries(tmp_path)


class TestS3:
    async def test_keeps_its_objects_over_a_kill(self, parts: Parts) -> None:
        s3 = parts.s3()
        await s3.start()
        client = parts.s3_client(s3)
        put = {"Bucket": "eventrain", "Key": "jobs/1/1/result.json", "Body": b"{}"}
        await asyncio.to_thread(lambda: client.put_object(**put))
        first = s3.pid
        os.kill(first or 0, signal.SIGKILL)
        await eventually(lambda: s3.pid not in (None, first))
        await s3.stop()
        await s3.start()
        get = {"Bucket": "eventrain", "Key": "jobs/1/1/result.json"}
        read = await asyncio.to_thread(lambda: client.get_object(**get)["Body"].read())
        client.close()
        assert read == b"{}"
        await s3.stop()


class TestRoster:
    async def test_ends_what_a_former_run_left_and_nobody_else(self, parts: Parts) -> None:
        command = process.Command(
            "sleep", ("sleep", "60"), Path("/"), parts.home / "logs/sleep.log", {"PATH": os.defpath}
        )
        left, stranger = await process.start(command), await process.start(command)
        parts.roster.add(left.pid)
        file = parts.home / "processes.json"
        known = file.read_text()
        file.write_text(known.replace("}", f', "{stranger.pid}": "1"}}'))
        assert await Roster(file).end_leftovers() == 1
        assert await left.wait() == -signal.SIGTERM
        assert stranger.alive
        await stranger.stop(grace=1)


async def eventually_accepts(postgres: Postgres) -> None:
    for _ in range(200):
        try:
            await value(postgres, "SELECT 1")
        except (OSError, asyncpg.PostgresError):
            await asyncio.sleep(0.05)
        else:
            return


def test_a_bound_port_is_free_again_when_closed() -> None:
    bound = bind()
    port = bound.getsockname()[1]
    bound.close()
    bind(port).close()
