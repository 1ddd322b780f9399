"""doctor: what is wrong with an installation, how that was seen, and what to do."""

from __future__ import annotations

import click

from infra.cli import exit_codes
from infra.cli.options import json_flag
from infra.cli.session import Session


@click.command()
@json_flag
@click.pass_obj
def doctor(session: Session) -> None:
    """Say what is wrong with the installation; exit 1 if anything is."""
    from infra.cli import diagnosis, doctor_page

    findings = diagnosis.examine(session.environ)
    output, ill = session.output, any(each.wrong for each in findings)
    if output.as_json:
        output.data({"healthy": not ill, "findings": [each.data() for each in findings]})
    else:
        output.show(doctor_page.shown(findings))
    if ill:
        raise SystemExit(exit_codes.FAULT)
