"""gpu-types."""

from __future__ import annotations

import click

from infra.cli.options import json_flag
from infra.cli.session import Session


@click.command("gpu-types")
@click.option("--env", help="dev, stg or prod; the running one when not given.")
@json_flag
@click.pass_obj
def gpu_types(session: Session, env: str | None) -> None:
    """List the GPU types that jobs can ask for."""
    with session.client() as client:
        rows = client.admin.gpu_types(env=env)
    if session.output.as_json:
        session.output.data({"gpuTypes": rows})
        return
    from infra.cli import tables

    session.output.show(tables.gpu_types(rows) if rows else "No GPU types are offered here.")
