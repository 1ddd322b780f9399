"""Where words go: results to stdout, notices and errors to stderr, JSON when it is asked for."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any, TextIO

from eventrain_client.errors import EventrainError, Refused, ServerFault

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

# Wide enough that no row of a table is cut when it goes to a file or a pipe.
UNBOUNDED = 1000


class Output:
    """`as_json` is set by a command's --json; what is shown then goes out as data."""

    def __init__(self) -> None:
        self.as_json = False
        self._consoles: dict[str, Console] = {}

    @property
    def live(self) -> bool:
        """Whether someone watches who wants a picture that moves."""
        console = self.console
        return console.is_terminal and not console.is_dumb_terminal and not self.as_json

    @property
    def console(self) -> Console:
        return self._console("stdout", sys.stdout)

    def show(self, picture: RenderableType) -> None:
        self.console.print(picture)

    def line(self, text: str = "") -> None:
        self.console.print(text, soft_wrap=True, highlight=False)

    def progress(self, text: str) -> None:
        """A line that is in the way where data was asked for."""
        if not self.as_json:
            self.notice(text)

    def raw(self, text: str) -> None:
        """A line of somebody else, whose brackets are no markup."""
        print(text, flush=True)

    def notice(self, text: str) -> None:
        console = self._console("stderr", sys.stderr)
        console.print(text, style="dim", soft_wrap=True, highlight=False, markup=False)

    def data(self, value: Any) -> None:
        print(json.dumps(value, indent=2, ensure_ascii=False))

    def data_line(self, value: Any) -> None:
        print(json.dumps(value, ensure_ascii=False), flush=True)

    def error(self, error: EventrainError) -> None:
        if self.as_json:
            print(json.dumps(_as_envelope(error), ensure_ascii=False), file=sys.stderr)
            return
        console = self._console("stderr", sys.stderr)
        console.print("error:", style="bold red", end=" ")
        console.print(_text(error), soft_wrap=True, highlight=False, markup=False)

    def _console(self, name: str, stream: TextIO) -> Console:
        if name not in self._consoles:
            from rich.console import Console

            unbounded = not stream.isatty() and "COLUMNS" not in os.environ
            width = UNBOUNDED if unbounded else None
            self._consoles[name] = Console(stderr=name == "stderr", width=width)
        return self._consoles[name]


def _text(error: EventrainError) -> str:
    lines = [error.message]
    if isinstance(error, Refused) and error.violations:
        told = [f"  {violation.field}: {violation.reason}" for violation in error.violations]
        lines = ["The request was refused.", *told]
    if isinstance(error, ServerFault) and error.request_id:
        lines.append(f"  The function's log has more, under request {error.request_id}.")
    if error.advice:
        lines.append(error.advice)
    return "\n".join(lines)


def _as_envelope(error: EventrainError) -> dict[str, Any]:
    data: dict[str, Any] | None = None
    if isinstance(error, Refused):
        errors = [{"field": each.field, "reason": each.reason} for each in error.violations]
        data = {"code": error.code, "httpStatus": error.status, "errors": errors}
    return {"status": "fail", "message": error.message, "data": data, "advice": error.advice}
