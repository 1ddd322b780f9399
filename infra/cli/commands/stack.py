"""up, demo: the local stack, in this process."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from infra.cli.options import json_flag
from infra.cli.session import Session

if TYPE_CHECKING:
    from infra.local.settings import StackSettings

port_option = click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8400,
    show_default=True,
    help="The port of the one address.",
)
home_option = click.option(
    "--home",
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder that keeps everything; EVENTRAIN_HOME, else ~/.eventrain.",
)


mlflow_option = click.option(
    "--mlflow",
    is_flag=True,
    envvar="MLFLOW",
    help="MLflow's server beside it; also by MLFLOW=1.",
)


@click.command()
@port_option
@home_option
@mlflow_option
@json_flag
@click.pass_obj
def up(session: Session, port: int, home: Path | None, mlflow: bool) -> None:
    """Start the whole platform on this machine, until Ctrl-C."""
    from infra.cli.local_run import stay_up

    raise SystemExit(stay_up(_settings(session, home, port, mlflow), session.output))


@click.command()
@port_option
@home_option
@mlflow_option
@click.option(
    "--once",
    is_flag=True,
    envvar="ONCE",
    help="Stop everything afterwards, as without a terminal; also by ONCE=1.",
)
@click.pass_obj
def demo(session: Session, port: int, home: Path | None, mlflow: bool, once: bool) -> None:
    """Start the platform and watch a real training job go through it."""
    from infra.cli.local_run import show_demo

    stay = session.output.live and not once
    settings = _settings(session, home, port, mlflow)
    raise SystemExit(show_demo(settings, session.output, stay=stay))


def _settings(session: Session, home: Path | None, port: int, mlflow: bool) -> StackSettings:
    from infra.local.settings import StackSettings

    return StackSettings.from_environ(session.environ, home=home, port=port, mlflow=mlflow)
