"""dead-letters list, show, replay: what the broker could not deliver."""

from __future__ import annotations

from datetime import UTC, datetime

import click
from eventrain_client.errors import Refused, Unreachable

from infra.cli import exit_codes
from infra.cli.options import json_flag
from infra.cli.session import Session

NOT_FOUND = 404
ADVICE = "See `eventrain dead-letters list` for those of your projects."


@click.group("dead-letters")
def dead_letters() -> None:
    """See the events that nobody took, and send them again."""


@dead_letters.command("list")
@click.option(
    "--limit", type=click.IntRange(min=1), default=50, show_default=True, help="How many."
)
@click.option("--cursor", help="Where the page before ended.")
@json_flag
@click.pass_obj
def list_letters(session: Session, limit: int, cursor: str | None) -> None:
    """List dead letters, the oldest first."""
    with session.client() as client:
        page = client.admin.dead_letters(limit=limit, cursor=cursor)
    output = session.output
    if output.as_json:
        output.data(page)
        return
    from infra.cli import letter_page

    rows = page["deadLetters"]
    output.show(letter_page.listed(rows, datetime.now(UTC)) if rows else "No dead letters.")
    if page["nextCursor"]:
        output.notice(f"More with: --cursor {page['nextCursor']}")


@dead_letters.command()
@click.argument("letter_id", metavar="ID")
@json_flag
@click.pass_obj
def show(session: Session, letter_id: str) -> None:
    """Show a dead letter: the event, and why it was given up."""
    with session.client() as client:
        try:
            letter = client.admin.dead_letter(letter_id)
        except Refused as error:
            error.advice = ADVICE if error.status == NOT_FOUND else ""
            raise
    if session.output.as_json:
        session.output.data(letter)
        return
    from infra.cli import letter_page

    session.output.show(letter_page.facts_of(letter))


@dead_letters.command()
@click.argument("letter_ids", metavar="ID...", nargs=-1, required=True)
@json_flag
@click.pass_obj
def replay(session: Session, letter_ids: tuple[str, ...]) -> None:
    """Give events to the broker again; what was done already is not done twice."""
    refused = False
    with session.client() as client:
        for letter_id in letter_ids:
            try:
                letter = client.admin.replay_dead_letter(letter_id)
            except Refused as error:
                session.output.error(error)
                refused = True
                continue
            except Unreachable as error:
                error.advice = "The letter is kept; repeat the command a little later."
                raise
            if session.output.as_json:
                session.output.data_line(letter)
            else:
                session.output.line(f"Sent {letter_id} again.")
    if refused:
        raise SystemExit(exit_codes.REFUSED)
