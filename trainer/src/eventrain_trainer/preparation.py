"""What can go wrong before training begins."""

import re

from eventrain_trainer.child import Ended
from eventrain_trainer.outcome import Ending, exit_status

NEVER = re.compile(r"(?!)")
FAULT = re.compile(r"^(ERROR|fatal|error)\b")


class CannotPrepare(Exception):
    """There is nothing to run; the class says whose it is to change."""

    def __init__(self, reason: str, error_class: str = "user", exit_code: int = 1) -> None:
        super().__init__(reason)
        self.ending = Ending("failed", error_class, exit_code, reason)


def must(ended: Ended, what: str, passing: re.Pattern[str] = NEVER) -> None:
    """Raises CannotPrepare for a step that failed or was stopped; one whose lines match `passing`
    may fare better another time."""
    if ended.stopped:
        raise CannotPrepare(f"stopped: {ended.stopped}", "transient", exit_status(-15))
    if ended.code == 0:
        return
    told = [line for line in ended.lines if line.strip()]
    fault = next((line for line in told if FAULT.match(line)), "")
    passed = any(passing.search(line) for line in told)
    reason = f"{what}: {fault or f'exit code {ended.code}'}"
    tail = "\n".join(told[-10:])
    raise CannotPrepare(
        f"{reason}\n{tail}" if tail else reason,
        "transient" if passed else "user",
        exit_status(ended.code),
    )
