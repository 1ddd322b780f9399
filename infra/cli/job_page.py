"""Everything about one job, for `show`."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, TypedDict

from eventrain_client.replies import Artifact, Attempt, Change, Job, Point
from rich.console import RenderableType

from infra.cli import tables

if TYPE_CHECKING:
    from eventrain_client.client import Client

    from infra.cli.output import Output


class JobPage(TypedDict):
    job: Job
    timeline: list[Change]
    attempts: list[Attempt]
    points: list[Point]
    artifacts: list[Artifact]


def read_page(client: Client, job_id: str) -> JobPage:
    return {
        "job": client.jobs.get(job_id),
        "timeline": list(client.jobs.events(job_id)),
        "attempts": list(client.jobs.attempts(job_id)),
        "points": client.jobs.metrics(job_id),
        "artifacts": list(client.jobs.artifacts(job_id)),
    }


def show_page(page: JobPage, output: Output, now: datetime) -> None:
    output.show(tables.job_facts(page["job"], now))
    parts: list[tuple[str, RenderableType, int]] = [
        ("Timeline", tables.timeline(page["timeline"]), len(page["timeline"])),
        ("Attempts", tables.attempts(page["attempts"]), len(page["attempts"])),
        ("Metrics", tables.metrics(page["points"]), len(page["points"])),
        ("Files", tables.artifacts(page["artifacts"]), len(page["artifacts"])),
    ]
    for title, body, rows in parts:
        if rows:
            show_part(title, body, output)


def show_part(title: str, body: RenderableType, output: Output) -> None:
    output.line(f"\n[bold]{title}[/]")
    output.show(body)
