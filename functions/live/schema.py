"""What may be asked of a stream, and what it says."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec

from common.jobs.course import Point
from common.jobs.history import Change
from common.jobs.label import read_labels
from common.jobs.reading import Filter
from common.jobs.state import Status
from common.jobs.view import JobView
from common.openapi import Operation

Text = Annotated[str, msgspec.Meta(max_length=200, pattern=r"^[^\x00]*$")]
LIVE = "/llm-ops/v1/training/jobs/live"
JOB_LIVE = "/llm-ops/v1/training/jobs/{jobId}/live"
TOKEN = LIVE + "/token"


class Ticket(msgspec.Struct, rename="camel"):
    """`?token=` of a stream, for a page that cannot send headers."""

    token: str
    expires_at: datetime


class JobQuery(msgspec.Struct, rename="camel"):
    """`lastEventId` says the same as the header Last-Event-ID."""

    token: str | None = None
    last_event_id: str | None = None


class ListQuery(msgspec.Struct, rename="camel"):
    """What a list of jobs is narrowed to, as in the list itself."""

    token: str | None = None
    status: Annotated[list[Status], msgspec.Meta(max_length=6)] = []
    model_id: UUID | None = None
    project_id: UUID | None = None
    submitted_by: Text | None = None
    label: Annotated[list[Text], msgspec.Meta(max_length=16)] = []
    q: Text | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=200)] = 50

    def filter(self) -> Filter:
        """Raises Invalid for a label that is none."""
        projects = [self.project_id] if self.project_id else []
        statuses = [str(status) for status in self.status]
        labels = read_labels(self.label)
        return Filter(projects, statuses or None, self.model_id, self.submitted_by, labels, self.q)


class Points(msgspec.Struct):
    points: list[Point]


class Page(msgspec.Struct):
    jobs: list[JobView]


class Gone(msgspec.Struct):
    """A job that is not on the page any more."""

    id: UUID


class End(msgspec.Struct):
    """Why the stream does not go on: the job is over, or what was shown for it has expired."""

    reason: Literal["over", "expired"]


OPERATIONS = (
    Operation("POST", TOKEN, "A token for `?token=`", None, Ticket),
    Operation(
        *("GET", LIVE, "Watch a list of jobs", None, None),
        query=ListQuery,
        events={"page": Page, "job": JobView, "gone": Gone, "end": End},
    ),
    Operation(
        *("GET", JOB_LIVE, "Watch a job", None, None),
        query=JobQuery,
        events={"job": JobView, "change": Change, "points": Points, "end": End},
    ),
)
