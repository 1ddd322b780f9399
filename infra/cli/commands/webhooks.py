"""webhooks list, add, delete, secret, test, deliveries, redeliver."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from infra.cli import exit_codes
from infra.cli.options import json_flag
from infra.cli.session import Session, find_job

if TYPE_CHECKING:
    from eventrain_client.admin_replies import Delivery
    from eventrain_client.client import Client

PATIENCE = 20.0
webhook_id = click.argument("webhook_id", metavar="ID")


@click.group()
def webhooks() -> None:
    """See and change who is told of what happens to jobs."""


@webhooks.command("list")
@json_flag
@click.pass_obj
def list_webhooks(session: Session) -> None:
    """List the webhooks of your projects."""
    with session.client() as client:
        rows = client.webhooks.list()
    if session.output.as_json:
        session.output.data({"webhooks": rows})
        return
    from infra.cli import webhook_page

    none = "No webhooks. Add one with: eventrain webhooks add https://..."
    session.output.show(webhook_page.listed(rows) if rows else none)


@webhooks.command()
@click.argument("url")
@click.option(
    "--event",
    "events",
    multiple=True,
    metavar="NAME",
    help="Tell of this, job.failed for example; of everything when not given. Repeatable.",
)
@json_flag
@click.pass_obj
def add(session: Session, url: str, events: tuple[str, ...]) -> None:
    """Tell this address what happens to the project's jobs."""
    with session.client() as client:
        made = client.webhooks.create(url, events)
    if session.output.as_json:
        session.output.data(made)
        return
    session.output.raw(made["id"])
    _show_secret(session, made.get("secret", ""))


@webhooks.command()
@webhook_id
@json_flag
@click.pass_obj
def delete(session: Session, webhook_id: str) -> None:
    """Tell this webhook no more."""
    with session.client() as client:
        gone = client.webhooks.delete(webhook_id)
    if session.output.as_json:
        session.output.data(gone)
    else:
        session.output.raw(f"Deleted {gone['id']}.")


@webhooks.command()
@click.argument("webhook_id", metavar="[ID]", required=False)
@json_flag
@click.pass_obj
def secret(session: Session, webhook_id: str | None) -> None:
    """Make a new secret, of a webhook or of the addresses that jobs name.

    Deliveries are signed with the one before as well for a day.
    """
    with session.client() as client:
        made = client.webhooks.change_secret(webhook_id)
    if session.output.as_json:
        session.output.data(made)
    else:
        _show_secret(session, made["secret"])


@webhooks.command()
@webhook_id
@json_flag
@click.pass_obj
def test(session: Session, webhook_id: str) -> None:
    """Send a delivery that tells of nothing, and say what came of it."""
    with session.client() as client:
        sent = client.webhooks.test(webhook_id)
        found = _wait(client, sent, webhook_id)
    _say(session, found)
    if found["state"] != "delivered":
        raise SystemExit(exit_codes.REFUSED)


@webhooks.command()
@click.option("--webhook", "webhook_id", metavar="ID", help="Of this webhook.")
@click.option("--job", "job_id", metavar="ID", help="About this job.")
@click.option("--state", type=click.Choice(["due", "delivered", "failed"]), help="In this state.")
@click.option(
    "--limit", type=click.IntRange(min=1), default=20, show_default=True, help="How many."
)
@click.option("--cursor", help="Where the page before ended.")
@json_flag
@click.pass_obj
def deliveries(
    session: Session,
    webhook_id: str | None,
    job_id: str | None,
    state: str | None,
    limit: int,
    cursor: str | None,
) -> None:
    """List what was told to whom, the newest first."""
    with session.client() as client:
        job = find_job(client, job_id) if job_id else None
        page = client.webhooks.deliveries(
            webhook_id=webhook_id, job_id=job, state=state, limit=limit, cursor=cursor
        )
    if session.output.as_json:
        session.output.data(page)
        return
    from infra.cli import webhook_page

    rows = page["deliveries"]
    now = datetime.now(UTC)
    session.output.show(webhook_page.deliveries(rows, now) if rows else "No deliveries.")
    if page["nextCursor"]:
        session.output.notice(f"More with: --cursor {page['nextCursor']}")


@webhooks.command()
@click.argument("delivery_id", metavar="ID")
@json_flag
@click.pass_obj
def redeliver(session: Session, delivery_id: str) -> None:
    """Send a delivery again, under the same id."""
    with session.client() as client:
        sent = client.webhooks.redeliver(delivery_id)
    if session.output.as_json:
        session.output.data(sent)
    else:
        session.output.raw(f"Sending {sent['id']} to {sent['to']} again.")


def _wait(client: Client, sent: Delivery, webhook_id: str) -> Delivery:
    deadline = time.monotonic() + PATIENCE
    while sent["state"] == "due" and time.monotonic() < deadline:
        time.sleep(0.2)
        rows = client.webhooks.deliveries(webhook_id=webhook_id, limit=50)["deliveries"]
        sent = next((row for row in rows if row["id"] == sent["id"]), sent)
    return sent


def _say(session: Session, found: Delivery) -> None:
    if session.output.as_json:
        session.output.data(found)
        return
    last = found["log"][-1] if found["log"] else None
    if last is None:
        session.output.raw(f"Nobody has sent it to {found['to']} yet; see: webhooks deliveries")
    elif last["error"] is None:
        session.output.raw(f"{found['to']} took it: {last['code']} in {last['seconds']:.2f} s.")
    else:
        session.output.raw(f"{found['to']} did not take it: {last['error']}")


def _show_secret(session: Session, made: str) -> None:
    session.output.raw(made)
    session.output.notice("Keep this secret: it is not shown again. It verifies what is told.")
