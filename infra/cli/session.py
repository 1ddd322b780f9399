"""What one run of the command carries from `main` to its command."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from infra.cli.connection import find_connection
from infra.cli.errors import Refused, UsageFault
from infra.cli.output import Output

if TYPE_CHECKING:
    from infra.cli.client import Client


@dataclass(frozen=True)
class Session:
    environ: Mapping[str, str]
    output: Output = field(default_factory=Output)

    def client(self) -> Client:
        # Imported here: httpx takes longer to load than the rest together.
        from infra.cli.client import Client

        connection = find_connection(self.environ)
        return Client(connection.address, connection.token)


def find_job(client: Client, given: str) -> str:
    """The id that `given` begins: a whole id, or the start of exactly one job's."""
    try:
        return str(uuid.UUID(given))
    except ValueError:
        found = _beginning_with(client, given)
    if len(found) == 1:
        return found[0]
    if not found:
        raise Refused(f"No job's id begins with {given!r}.", status=404)
    some = ", ".join(found[:5])
    raise UsageFault(f"{given!r} begins the ids of {len(found)} jobs: {some}.")


def _beginning_with(client: Client, given: str) -> list[str]:
    start = given.lower()
    return [job["id"] for job in client.jobs(q=start)["jobs"] if job["id"].startswith(start)]
