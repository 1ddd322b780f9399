"""The newest jobs as they change, by the stream; by asking again and again where there is none."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from eventrain_client.errors import Refused, ServerFault, Unreachable
from eventrain_client.exchange import Told
from eventrain_client.follow import INTERVAL, PAUSE, is_absent

if TYPE_CHECKING:
    from eventrain_client.client import Client

Sleep = Callable[[float], object]


def watch_jobs(
    client: Client,
    *,
    status: str | None = None,
    label: str | None = None,
    sleep: Sleep = time.sleep,
) -> Iterator[Told | Unreachable]:
    """A page of jobs, then a job for each that changed and `gone` for each that left; a page
    again whenever the stream had broken off. Never ends. Raises Refused."""
    while True:
        try:
            yield from client.jobs.listen(status=status, label=label)
        except Unreachable as silence:
            yield silence
        except (Refused, ServerFault) as away:
            if not is_absent(away):
                raise
            yield from _ask_again(client, status, label, sleep)
        sleep(random.uniform(*PAUSE))


def _ask_again(
    client: Client, status: str | None, label: str | None, sleep: Sleep
) -> Iterator[Told]:
    shown: dict[str, Any] | None = None
    while True:
        page = client.jobs.page(status=status, label=label)
        jobs = {job["id"]: job for job in page["jobs"]}
        if shown is None:
            yield Told("page", {"jobs": list(jobs.values())})
        else:
            yield from (Told("gone", {"id": each}) for each in shown if each not in jobs)
            yield from (Told("job", job) for each, job in jobs.items() if shown.get(each) != job)
        shown = jobs
        sleep(INTERVAL)
