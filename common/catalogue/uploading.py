"""The calls that bring files to an entry, the same for models and datasets."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Path, Request, Response

from common import web
from common.catalogue import body
from common.catalogue.upload import LARGEST_FORM, Wanted
from common.web import Caller, Deps, Success, ok


def upload_routes(prefix: str, noun: str, shown: Any) -> list[APIRouter]:
    """Routers below `{prefix}/{id}`: a form, parts, and the files with addresses. `shown` is the entry's
    body, `noun` what its id is called in the path."""
    routes = web.router(prefix=prefix, body_limit=LARGEST_FORM)
    named: Any = Path(alias=f"{noun}_id")
    one = f"/{{{noun}_id:uuid}}"

    @routes.post(f"{one}/upload", response_model=Success[shown], openapi_extra=body.FORM)
    async def upload_files(
        deps: Deps, caller: Caller, request: Request, entry_id: UUID = named
    ) -> Response:
        kind = request.headers.get("content-type")
        return ok(await deps.receive(caller, entry_id, kind, request.stream()), "Uploaded")

    parts = web.router(prefix=prefix)

    @parts.get(f"{one}/files", response_model=Success[list[body.Fetched]])
    async def list_files(deps: Deps, caller: Caller, entry_id: UUID = named) -> Response:
        return ok(await deps.list_files(caller, entry_id))

    @parts.post(f"{one}/uploads", response_model=Success[body.Parts])
    async def begin_upload(
        deps: Deps, caller: Caller, wanted: body.StartUpload, entry_id: UUID = named
    ) -> Response:
        begun = await deps.begin_parts(caller, entry_id, Wanted(wanted.name, wanted.size))
        return ok(begun | {"complete_url": f"{prefix}/{entry_id}/uploads/complete"})

    @parts.post(f"{one}/uploads/complete", response_model=Success[shown])
    async def finish_upload(
        deps: Deps, caller: Caller, done: body.FinishUpload, entry_id: UUID = named
    ) -> Response:
        found = await deps.join_parts(caller, entry_id, done.name, done.upload_id, done.etags)
        return ok(found, "Uploaded")

    @parts.post(f"{one}/uploads/abort", response_model=Success[None])
    async def abort_upload(
        deps: Deps, caller: Caller, given: body.AbortUpload, entry_id: UUID = named
    ) -> Response:
        await deps.abort_parts(caller, entry_id, given.name, given.upload_id)
        return ok(None, "Upload aborted")

    return [routes, parts]
