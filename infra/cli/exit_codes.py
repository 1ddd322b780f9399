"""What a script learns from the exit code; `eventrain --help` prints the same table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventrain_client.errors import EventrainError, FolderFault, Refused, Unreachable

from infra.cli.errors import CommandFault, UsageFault

if TYPE_CHECKING:
    from eventrain_client.replies import Job

OK = 0
FAULT = 1
USAGE = 2
REFUSED = 3
UNREACHABLE = 4
JOB_FAILED = 5
JOB_CANCELLED = 6
INTERRUPTED = 130

MEANING = {
    OK: "fine",
    FAULT: "an error of this installation, or of ours",
    USAGE: "the command line or the job file cannot be read",
    REFUSED: "refused: not allowed, not found, or against a rule",
    UNREACHABLE: "nobody answers at the address",
    JOB_FAILED: "the job that was followed failed",
    JOB_CANCELLED: "the job that was followed was cancelled",
    INTERRUPTED: "stopped by Ctrl-C",
}

_BY_ERROR: dict[type[EventrainError], int] = {
    FolderFault: USAGE,
    UsageFault: USAGE,
    CommandFault: FAULT,
    Refused: REFUSED,
    Unreachable: UNREACHABLE,
}

_BY_STATUS = {"failed": JOB_FAILED, "cancelled": JOB_CANCELLED}


def of_error(error: EventrainError) -> int:
    return _BY_ERROR.get(type(error), FAULT)


def of_job(job: Job) -> int:
    return _BY_STATUS.get(job["status"], OK)
