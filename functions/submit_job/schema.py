"""The headers, the query and the body of a submission."""

from typing import Annotated, Any

from fastapi import Header, Path, Query

from common.body import Id
from common.jobs import request

JobId = Annotated[Id, Path(alias="jobId")]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        pattern=r"^[!-~]+$",
        description="The same key and body make one job, however often they are sent.",
    ),
]
DryRun = Annotated[
    bool, Query(alias="dryRun", description="Check everything, create nothing; `id` is null.")
]


def body() -> dict[str, Any]:
    """The body as OpenAPI describes it: it is read leniently, so that all that is wrong with it
    is told at once."""
    return _described(request.describe())


def resubmit_body() -> dict[str, Any]:
    """What is changed when a job is submitted again."""
    fields = request.describe()["properties"]
    changed = {name: fields[name] for name in ("resourceProfile", "useGpu")}
    return _described({"type": "object", "required": ["resourceProfile"], "properties": changed})


def _described(schema: dict[str, Any]) -> dict[str, Any]:
    content = {"application/json": {"schema": schema}}
    return {"requestBody": {"required": True, "content": content}}
