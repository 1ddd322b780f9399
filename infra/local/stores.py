"""What keeps the state: Postgres, ours or the user's, and S3."""

import asyncio
from collections.abc import Callable

from infra.local.credential import Credentials
from infra.local.home import Home
from infra.local.postgres import Postgres, find_binaries
from infra.local.roster import Roster
from infra.local.s3 import S3, find_binary
from infra.local.settings import StackSettings


class Stores:
    def __init__(
        self,
        settings: StackSettings,
        home: Home,
        credentials: Credentials,
        *,
        bucket: str,
        roster: Roster,
        report: Callable[[str], None],
    ) -> None:
        self.s3 = S3(home, find_binary(), credentials, bucket, roster=roster, report=report)
        self.postgres: Postgres | None = None
        self.database_url = settings.database_url or ""
        if not settings.database_url:
            binaries = find_binaries(settings.postgres_folder)
            self.postgres = Postgres(home, binaries, credentials, roster=roster, report=report)
            self.database_url = self.postgres.url

    async def start(self) -> None:
        ends = await asyncio.gather(
            *(part.start() for part in self._parts()), return_exceptions=True
        )
        for problem in filter(None, ends):
            raise problem

    async def stop(self) -> None:
        await asyncio.gather(*(part.stop() for part in self._parts()))

    def kill(self) -> None:
        for part in self._parts():
            part.kill()

    def _parts(self) -> list[Postgres | S3]:
        return [self.s3, *([self.postgres] if self.postgres else [])]
