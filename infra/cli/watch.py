"""What happens, as it is streamed; by asking again and again where nothing is streamed."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from infra.cli.errors import Refused, ServerFault, Unreachable
from infra.cli.exchange import Told
from infra.cli.follow import Progress, Silence, follow_job
from infra.cli.replies import TERMINAL, Point

if TYPE_CHECKING:
    from infra.cli.client import Client

Sleep = Callable[[float], object]

PAUSE = (0.5, 1.5)
INTERVAL = 2.0


def watch_job(
    client: Client, job_id: str, *, sleep: Sleep = time.sleep
) -> Iterator[Progress | Silence]:
    """Ends with the job, which is known to be there. Raises Refused."""
    last: str | None = None
    points: list[Point] = []
    while True:
        try:
            for number, told in enumerate(client.watch_job(job_id, last=last)):
                last = told.id or last
                points += told.data["points"] if told.event == "points" else []
                if told.event == "job":
                    yield Progress(told.data, points)
                    points = []
                # Each stream begins with the job; what was missed of it comes behind that.
                ended = told.event == "job" and told.data["status"] in TERMINAL
                over = told.event == "end" and told.data["reason"] == "over"
                if over or (ended and number > 0):
                    return
        except Unreachable as silence:
            yield Silence(silence.message)
        except (Refused, ServerFault) as away:
            if not _is_absent(away):
                raise
            yield from follow_job(client, job_id, sleep=sleep)
            return
        sleep(random.uniform(*PAUSE))


def watch_jobs(
    client: Client,
    *,
    status: str | None = None,
    label: str | None = None,
    sleep: Sleep = time.sleep,
) -> Iterator[Told | Silence]:
    """A page of jobs, then a job for each that changed and `gone` for each that left; a page
    again whenever the stream had broken off. Never ends. Raises Refused."""
    while True:
        try:
            yield from client.watch_jobs(status=status, label=label)
        except Unreachable as silence:
            yield Silence(silence.message)
        except (Refused, ServerFault) as away:
            if not _is_absent(away):
                raise
            yield from _ask_again(client, status, label, sleep)
        sleep(random.uniform(*PAUSE))


def _is_absent(error: Refused | ServerFault) -> bool:
    """An older installation has no such path; something in between may not let a stream pass."""
    return isinstance(error, ServerFault) or error.status in {404, 405}


def _ask_again(
    client: Client, status: str | None, label: str | None, sleep: Sleep
) -> Iterator[Told]:
    shown: dict[str, Any] | None = None
    while True:
        jobs = {job["id"]: job for job in client.jobs(status=status, label=label)["jobs"]}
        if shown is None:
            yield Told("page", {"jobs": list(jobs.values())})
        else:
            yield from (Told("gone", {"id": each}) for each in shown if each not in jobs)
            yield from (Told("job", job) for each, job in jobs.items() if shown.get(each) != job)
        shown = jobs
        sleep(INTERVAL)
