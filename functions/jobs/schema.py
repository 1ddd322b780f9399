"""What a list of jobs is asked, and what it answers."""

from typing import Annotated

from fastapi import Path, Query
from typing_extensions import TypedDict

from common.body import Id
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
