"""gpu-types, frameworks: what jobs can ask for."""

from __future__ import annotations

import click

from infra.cli.errors import CommandFault
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


@click.command()
@click.argument("name", required=False)
@click.option("--env", help="dev, stg or prod; the running one when not given.")
@json_flag
@click.pass_obj
def frameworks(session: Session, name: str | None, env: str | None) -> None:
    """List the frameworks that can train, or the parameters of one."""
    with session.client() as client:
        rows = client.admin.frameworks(env=env)
    if name is not None:
        found = [row for row in rows if row["name"] == name]
        if not found:
            known = ", ".join(row["name"] for row in rows)
            raise CommandFault(f"There is no framework {name!r}; there are: {known}.")
        rows = found
    if session.output.as_json:
        session.output.data(rows[0] if name is not None else {"frameworks": rows})
        return
    from infra.cli import framework_page

    for part in framework_page.one(rows[0]) if name is not None else [framework_page.all_of(rows)]:
        session.output.show(part)
