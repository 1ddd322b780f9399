"""projects list, show, create, quota, members, add, remove."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from infra.cli.options import json_flag
from infra.cli.session import Session

project = click.argument("project", metavar="PROJECT")
user = click.argument("user")


@click.group()
def projects() -> None:
    """See and change projects: their members, and what they may use."""


@projects.command("list")
@json_flag
@click.pass_obj
def list_projects(session: Session) -> None:
    """List your projects."""
    from infra.cli import access_page

    with session.client() as client:
        page = {"projects": list(client.projects.list()), "nextCursor": None}
    _show(session, page, lambda page: access_page.projects(page["projects"]))


@projects.command()
@project
@json_flag
@click.pass_obj
def show(session: Session, project: str) -> None:
    """Show a project: its quota, and what of it is used."""
    with session.client() as client:
        _show_one(session, client.projects.get(project))


@projects.command()
@click.argument("name")
@json_flag
@click.pass_obj
def create(session: Session, name: str) -> None:
    """Make a project. For who administers the installation."""
    with session.client() as client:
        _show_one(session, client.projects.create(name))


@projects.command("quota")
@project
@click.option("--live-jobs", type=int, help="Jobs that have not ended; -1 for no bound.")
@click.option("--gpus", type=int, help="GPUs of these; -1 for no bound.")
@click.option("--gpu-hours", type=float, help="GPU hours a month; -1 for no bound.")
@json_flag
@click.pass_obj
def set_quota(
    session: Session, project: str, live_jobs: int | None, gpus: int | None, gpu_hours: float | None
) -> None:
    """Bound what a project may use. For who administers the installation."""
    given = {"liveJobs": live_jobs, "gpus": gpus, "gpuHoursPerMonth": gpu_hours}
    bounds = {name: None if most < 0 else most for name, most in given.items() if most is not None}
    with session.client() as client:
        _show_one(session, client.projects.set_quota(project, bounds))


@projects.command()
@project
@json_flag
@click.pass_obj
def members(session: Session, project: str) -> None:
    """List the members of a project."""
    from infra.cli import access_page

    with session.client() as client:
        page = {"members": list(client.projects.members(project)), "nextCursor": None}
    _show(session, page, lambda page: access_page.members(page["members"]))


@projects.command()
@project
@user
@click.option(
    "--role", type=click.Choice(("viewer", "member", "admin")), default="member", show_default=True
)
@json_flag
@click.pass_obj
def add(session: Session, project: str, user: str, role: str) -> None:
    """Give somebody a role in a project, or another one than before."""
    with session.client() as client:
        made = client.projects.add_member(project, user, role)
    _show(session, made, lambda made: f"{made['user']} is {made['role']} now.")


@projects.command()
@project
@user
@json_flag
@click.pass_obj
def remove(session: Session, project: str, user: str) -> None:
    """Take somebody's role in a project away."""
    with session.client() as client:
        gone = client.projects.remove_member(project, user)
    _show(session, gone, lambda gone: f"{gone['user']} is no member any more.")


def _show_one(session: Session, found: Any) -> None:
    from infra.cli import access_page

    _show(session, found, access_page.project_facts)


def _show(session: Session, found: Any, picture: Callable[[Any], Any]) -> None:
    if session.output.as_json:
        session.output.data(found)
    else:
        session.output.show(picture(found))
