"""token create, list, revoke, refresh."""

from __future__ import annotations

import os
from typing import Any

import click

from infra.cli.errors import UsageFault
from infra.cli.options import json_flag
from infra.cli.session import Session

DAY = 86_400
REFRESH = "EVENTRAIN_REFRESH_TOKEN"


@click.group()
def token() -> None:
    """Make tokens for yourself or a machine, and take them back."""


@token.command()
@click.argument("name")
@click.option("--machine", metavar="PROJECT", help="For a machine of this project.")
@click.option(
    "--role",
    type=click.Choice(("viewer", "member", "admin")),
    default="member",
    show_default=True,
    help="What the machine may do.",
)
@click.option("--days", type=click.IntRange(1, 365), default=30, show_default=True)
@click.option("--refreshable", is_flag=True, help="With a refresh token, for 90 days each time.")
@json_flag
@click.pass_obj
def create(
    session: Session, name: str, machine: str | None, role: str, days: int, refreshable: bool
) -> None:
    """Make a token. It is shown once: standard output has it and nothing else."""
    wanted: dict[str, Any] = {"name": name, "expiresInSeconds": days * DAY}
    wanted |= {"kind": "machine" if machine else "person", "refreshable": refreshable}
    if machine:
        wanted |= {"projectId": machine, "role": role}
    with session.client() as client:
        _show_secrets(session, client.tokens.create(wanted))


@token.command("list")
@click.option("--project", help="Those of this project's machines, instead of your own.")
@click.option("--cursor", help="Where the page before ended.")
@json_flag
@click.pass_obj
def list_tokens(session: Session, project: str | None, cursor: str | None) -> None:
    """List tokens, the newest first."""
    with session.client() as client:
        page = client.tokens.page(project_id=project, cursor=cursor)
    output = session.output
    if output.as_json:
        output.data(page)
        return
    from infra.cli import access_page

    output.show(access_page.tokens(page["tokens"]) if page["tokens"] else "No tokens.")
    if page["nextCursor"]:
        output.notice(f"More with: --cursor {page['nextCursor']}")


@token.command()
@click.argument("token_id", metavar="ID")
@json_flag
@click.pass_obj
def revoke(session: Session, token_id: str) -> None:
    """Take a token back, with all that came from it by refreshing."""
    with session.client() as client:
        revoked = client.tokens.revoke(token_id)
    if session.output.as_json:
        session.output.data(revoked)
    else:
        session.output.line(f"Revoked {revoked['name']}; it counts no more within seconds.")


@token.command()
@json_flag
@click.pass_obj
def refresh(session: Session) -> None:
    """Exchange the refresh token in EVENTRAIN_REFRESH_TOKEN for a new token and a new refresh token.

    Each can be used once. One that is used again is taken for stolen, and its token is revoked.
    """
    secret = os.environ.get(REFRESH)
    if not secret:
        raise UsageFault(f"Set {REFRESH} to the refresh token.")
    with session.client() as client:
        _show_secrets(session, client.tokens.refresh(secret))


def _show_secrets(session: Session, made: Any) -> None:
    output = session.output
    if output.as_json:
        output.data(made)
        return
    output.raw(made["token"])
    output.notice(f"{made['id']} for {made['subject']}, until {made['expiresAt']}")
    if made["refreshToken"]:
        output.notice(f"refresh token: {made['refreshToken']}")
