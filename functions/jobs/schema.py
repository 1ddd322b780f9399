"""What a list of jobs is asked, and what it answers."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import Path, Query
from typing_extensions import TypedDict

from common.body import Id
from common.errors import Invalid, Violation
from common.jobs.state import Status
from common.jobs.view import JobView

JobId = Annotated[Id, Path(alias="jobId")]
Statuses = Annotated[list[Status] | None, Query(alias="status", max_length=6)]
ModelId = Annotated[Id | None, Query(alias="modelId")]
ProjectId = Annotated[Id | None, Query(alias="projectId")]
SubmittedBy = Annotated[str | None, Query(alias="submittedBy", max_length=200)]
Labels = Annotated[
    list[Annotated[str, Query(pattern=r"^[^=:]+[=:]")]] | None,
    Query(alias="label", max_length=16, description="name=value or name:value; all must hold"),
]
Prefix = Annotated[
    str | None, Query(alias="q", max_length=200, description="how a name or an id begins")
]
Limit = Annotated[int, Query(ge=1, le=200)]
Cursor = Annotated[str | None, Query(max_length=1024)]


class JobList(TypedDict):
    jobs: list[JobView]
    nextCursor: str | None


def read_labels(texts: Sequence[str] | None) -> dict[str, str] | None:
    """Raises Invalid for what is not `name=value` or `name:value`."""
    if not texts:
        return None
    found: dict[str, str] = {}
    for text in texts:
        at = min((text.find(sign) for sign in "=:" if sign in text), default=-1)
        if at < 1:
            raise Invalid([Violation("label", "must be name=value")])
        found[text[:at]] = text[at + 1 :]
    return found
