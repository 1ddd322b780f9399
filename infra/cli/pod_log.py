"""The ends of pods' logs, which are kept when the trainer itself sent no lines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from infra.cli.errors import Unreachable
from infra.cli.replies import LogLine

if TYPE_CHECKING:
    from infra.cli.client import Client


def unsent_lines(client: Client, job_id: str, sent: list[LogLine]) -> Iterator[LogLine]:
    """What the pods of those attempts wrote that sent nothing. Raises Unreachable."""
    heard = {line["attempt"] for line in sent}
    for log in client.logs(job_id).get("podLogs", []):
        if log["attempt"] in heard or log["url"] is None:
            continue
        for offset, text in enumerate(_read(log["url"]).splitlines()):
            yield {
                "attempt": log["attempt"],
                "stream": "pod",
                "offset": offset,
                "text": text,
                "time": None,
            }


def _read(url: str) -> str:
    import httpx

    try:
        answer = httpx.get(url, timeout=30, trust_env=False).raise_for_status()
    except httpx.HTTPError as error:
        raise Unreachable(f"The pod's log cannot be fetched ({type(error).__name__}).") from error
    return answer.text
