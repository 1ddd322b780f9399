"""What one run of the command carries from `main` to its command."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from eventrain_client.connection import find_connection
from eventrain_client.errors import Refused

from infra.cli.errors import UsageFault
from infra.cli.output import Output

if TYPE_CHECKING:
    from eventrain_client.client import Client


@dataclass(frozen=True)
class Session:
    environ: Mapping[str, str]
    output: Output = field(default_factory=Output)

    def client(self) -> Client:
        # Imported here: httpx takes longer to load than the rest together.
        from eventrain_client.client import Client

        connection = find_connection(self.environ)
        return Client(connection.address, connection.token)


def find_job(client: Client, given: str, *, sure: bool = False) -> str:
    """The id that `given` begins: a whole id, or the start of exactly one job's; else that of the
    newest job of this name, of the only one where it must be `sure`. Raises Refused, UsageFault."""
    try:
        return str(uuid.UUID(given))
    except ValueError:
        found = client.jobs.page(q=given, limit=200)["jobs"]
    begun = [job["id"] for job in found if job["id"].startswith(given.lower())]
    named = [job["id"] for job in found if job.get("name") == given]
    if len(begun) > 1:
        raise UsageFault(f"{given!r} begins the ids of {len(begun)} jobs: {_some(begun)}.")
    if not begun and sure and len(named) > 1:
        raise UsageFault(
            f"{len(named)} jobs are called {given!r}, the newest first: {_some(named)}."
        )
    if not begun and not named:
        raise Refused(f"No job's id begins with {given!r}, and none is called so.", status=404)
    return (begun or named)[0]


def _some(job_ids: list[str]) -> str:
    return ", ".join(job_ids[:5])
