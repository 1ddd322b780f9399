"""gpu-types, models, datasets."""

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
        rows = client.gpu_types(env=env)
    if session.output.as_json:
        session.output.data({"gpuTypes": rows})
        return
    from infra.cli import tables

    session.output.show(tables.gpu_types(rows) if rows else "No GPU types are offered here.")


@click.command()
@click.argument("model_id", metavar="[ID]", required=False)
@click.option("--status", help="draft, under_review, approved or deprecated.")
@json_flag
@click.pass_obj
def models(session: Session, model_id: str | None, status: str | None) -> None:
    """List the models in the catalog, or show one."""
    if model_id:
        _show_model(session, model_id)
        return
    with session.client() as client:
        rows = client.models(status=status)
    if session.output.as_json:
        session.output.data({"models": rows})
        return
    from infra.cli import tables

    none = "No models yet. A job with outputModelName registers one when it succeeds."
    session.output.show(tables.models(rows) if rows else none)


@click.command()
@json_flag
@click.pass_obj
def datasets(session: Session) -> None:
    """List the datasets in the catalog."""
    with session.client() as client:
        rows = client.datasets()
    if session.output.as_json:
        session.output.data({"datasets": rows})
        return
    from infra.cli import tables

    session.output.show(tables.datasets(rows) if rows else "No datasets yet.")


def _show_model(session: Session, model_id: str) -> None:
    with session.client() as client:
        model = client.model(model_id)
    if session.output.as_json:
        session.output.data(model)
        return
    from infra.cli import tables

    session.output.show(tables.model_facts(model))
