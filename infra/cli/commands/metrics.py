"""metrics: the figures of a job, as a table or drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from infra.cli.errors import UsageFault
from infra.cli.options import job_id, json_flag
from infra.cli.session import Session, find_job

if TYPE_CHECKING:
    from eventrain_client.replies import Point

    from infra.cli.output import Output

# As many points of each metric as any picture here has dots.
RESOLUTION = 500
WIDEST = 100


@click.command()
@job_id
@click.option("--name", "names", multiple=True, metavar="NAME", help="This metric. Repeatable.")
@click.option("--chart", is_flag=True, help="Draw each one's course.")
@click.option("--height", type=click.IntRange(2, 40), default=8, show_default=True, help="Lines.")
@click.option(
    "--resolution",
    type=click.IntRange(1, 86_400),
    default=RESOLUTION,
    show_default=True,
    help="At most so many points of each; with --json all when not given.",
)
@json_flag
@click.pass_context
def metrics(
    context: click.Context,
    job_id: str,
    names: tuple[str, ...],
    chart: bool,
    height: int,
    resolution: int,
) -> None:
    """Show a job's metrics, or draw them."""
    session: Session = context.obj
    output = session.output
    given = context.get_parameter_source("resolution") is not click.core.ParameterSource.DEFAULT
    wanted = resolution if given or not output.as_json else None
    with session.client() as client:
        points = client.jobs.metrics(find_job(client, job_id), names=names, resolution=wanted)
    if output.as_json:
        output.data({"points": points})
        return
    missing = [name for name in names if all(point["name"] != name for point in points)]
    if missing:
        told = ", ".join(sorted({point["name"] for point in points})) or "none of these"
        raise UsageFault(f"The job has told no metric {', '.join(missing)}; it told {told}.")
    _show(output, points, height if chart else None)


def _show(output: Output, points: list[Point], height: int | None) -> None:
    from infra.cli import tables

    if not points:
        output.line("No metrics yet.")
    elif height is None:
        output.show(tables.metrics(points))
    else:
        _draw(output, points, height)


def _draw(output: Output, points: list[Point], height: int) -> None:
    from infra.cli import chart, tables

    width = min(output.console.width, WIDEST)
    for number, (name, course) in enumerate(tables.by_name(points).items()):
        if number:
            output.line()
        output.line(f"[bold]{tables.plain(name)}[/]  {chart.caption(course)}")
        for line in chart.draw(course, width, height):
            output.raw(line)
