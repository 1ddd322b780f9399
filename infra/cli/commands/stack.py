"""up, demo: the local stack, in this process."""

from __future__ import annotations

from pathlib import Path

import click

from infra.cli.connection import find_home
from infra.cli.options import json_flag
from infra.cli.session import Session

port_option = click.option(
    "--port",
    type=click.IntRange(1, 65535),
    default=8400,
    show_default=True,
    help="The port of the one address.",
)
home_option = click.option(
    "--home",
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder that keeps everything; EVENTRAIN_HOME, else ~/.eventrain.",
)


@click.command()
@port_option
@home_option
@json_flag
@click.pass_obj
def up(session: Session, port: int, home: Path | None) -> None:
    """Start the whole platform on this machine, until Ctrl-C."""
    from infra.cli.local_run import stay_up

    raise SystemExit(stay_up(_home(session, home), port, session.output))


@click.command()
@port_option
@home_option
@click.option(
    "--once",
    is_flag=True,
    envvar="ONCE",
    help="Stop everything afterwards, as without a terminal; also by ONCE=1.",
)
@click.pass_obj
def demo(session: Session, port: int, home: Path | None, once: bool) -> None:
    """Start the platform and watch a real training job go through it."""
    from infra.cli.local_run import show_demo

    stay = session.output.live and not once
    raise SystemExit(show_demo(_home(session, home), port, session.output, stay=stay))


def _home(session: Session, given: Path | None) -> Path:
    return (given or find_home(session.environ)).expanduser().absolute()
