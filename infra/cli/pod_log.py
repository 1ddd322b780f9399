"""The ends of pods' logs, which are kept when the trainer itself sent no lines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from eventrain_client.replies import LogLine

if TYPE_CHECKING:
    from eventrain_client.client import Client


def unsent_lines(client: Client, job_id: str, sent: list[LogLine]) -> Iterator[LogLine]:
    """What the pods of those attempts wrote that sent nothing. Raises Unreachable, LocalFault."""
    heard = {line["attempt"] for line in sent}
    for log in client.jobs.log_page(job_id).get("podLogs", []):
        if log["attempt"] in heard or log["url"] is None:
            continue
        text = client.api.read(log["url"]).decode(errors="replace")
        for offset, line in enumerate(text.splitlines()):
            yield {
                "attempt": log["attempt"],
                "stream": "pod",
                "offset": offset,
                "text": line,
                "time": None,
            }
