"""The headers, the query and the body of a submission."""

from typing import Annotated, Any

from fastapi import Header, Query

from common.jobs import request

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
    schema = {"schema": request.describe()}
    return {"requestBody": {"required": True, "content": {"application/json": schema}}}
