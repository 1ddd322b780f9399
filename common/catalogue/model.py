"""The store of models, and which status may follow which."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import ColumnElement, inspect, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, delete
from sqlmodel.ext.asyncio.session import AsyncSession

from common.catalogue import lineage, use
from common.catalogue.place import model_uploads
from common.catalogue.stored import Stored, with_file
from common.errors import Conflict, NotFound
from common.storage.address import sanitise
from common.tables.model import Model, ModelReservation

ModelStatus = Literal["draft", "under_review", "approved", "deprecated"]
ModelType = Literal["base", "trained"]

MOVES: Mapping[str, frozenset[str]] = {
    "draft": frozenset({"under_review", "deprecated"}),
    "under_review": frozenset({"draft", "approved", "deprecated"}),
    "approved": frozenset({"deprecated"}),
    "deprecated": frozenset({"under_review"}),
}


async def add(session: AsyncSession, model: Model) -> None:
    """Raises Conflict for a name and version that are taken; their address is, to all projects."""
    reservation = insert(ModelReservation).values(**_address(model), project_id=model.project_id)
    made = reservation.on_conflict_do_nothing().returning(col(ModelReservation.name))
    if (await (await session.connection()).execute(made)).first() is None:
        raise Conflict(f"{model.name} {model.version} exists or is being trained.")
    session.add(model)
    try:
        await session.flush()
    except IntegrityError:
        raise Conflict(f"This project has {model.name} {model.version} already.") from None


async def find(session: AsyncSession, model_id: UUID, *, lock: bool = False) -> Model:
    """Raises NotFound."""
    found = await session.get(Model, model_id, with_for_update=lock)
    if found is None:
        raise NotFound("There is no such model.")
    return found


async def change_status(
    session: AsyncSession, model_id: UUID, status: ModelStatus, *, now: datetime
) -> Model:
    """The same status again changes nothing. Raises NotFound, and Conflict for a move that the
    table has not."""
    model = await find(session, model_id, lock=True)
    if model.status == status:
        return model
    if status not in MOVES[model.status]:
        allowed = ", ".join(sorted(MOVES[model.status]))
        raise Conflict(f"From {model.status} a model may go to {allowed}, not to {status}.")
    model.status = status
    model.updated_at = now
    return model


async def add_file(
    session: AsyncSession, model_id: UUID, file: Stored, *, bucket: str, now: datetime
) -> Model:
    """Notes a file whose upload is complete. Raises NotFound."""
    model = await find(session, model_id, lock=True)
    model.meta = model.meta | {"files": with_file(model.meta.get("files", []), file)}
    model.storage_uri = own_uri(bucket, model)
    model.updated_at = now
    return model


async def check_idle(session: AsyncSession, model_id: UUID) -> None:
    """Raises Conflict while a job that has not ended trains on it."""
    if await use.is_used(session, "model_id", model_id):
        raise Conflict("A job that has not ended uses this model.")


async def remove(session: AsyncSession, model_id: UUID) -> Model:
    """What was removed; the job that made it forgets it. The address stays reserved, to nobody,
    until `release`. Raises NotFound, and InUse while something depends on it."""
    await use.forget_model(session, model_id)
    model = await find(session, model_id, lock=True)
    await lineage.check_unused_model(session, model)
    await session.delete(model)
    withheld = update(ModelReservation).where(*_reservation_of(model)).values(job_id=None)
    await session.exec(withheld)
    return model


async def release(session: AsyncSession, model: Model) -> None:
    """Gives the address of a model back, once nothing lies there."""
    await session.exec(delete(ModelReservation).where(*_reservation_of(model)))


def own_uri(bucket: str, model: Model) -> str:
    """Where uploads to it lie."""
    return f"s3://{bucket}/{model_uploads(model.project_id, model.id)}"


def name_of(model: Model) -> dict[str, Any]:
    """The entry as others are told of it."""
    return {"id": model.id, "name": model.name, "version": model.version}


def show(model: Model) -> dict[str, Any]:
    """The entry as clients see it."""
    shown = model.model_dump()
    return {**shown, "metadata": shown.pop("meta"), "targets": _targets(model)}


def _targets(model: Model) -> list[dict[str, Any]]:
    """Where the entry is registered: here, and wherever else it was to be."""
    here = _target("catalog", "registered", model.name, model.version, None, model.created_at)
    if "registrations" in inspect(model).unloaded:
        return [here]
    return [here] + [
        _target(r.target, r.status, r.name, r.version, r.error, r.updated_at)
        for r in sorted(model.registrations, key=lambda each: each.target)
    ]


def _target(
    target: str, status: str, name: str | None, version: str | None, error: str | None, at: datetime
) -> dict[str, Any]:
    return {
        "target": target,
        "status": status,
        "name": name,
        "version": version,
        "error": error,
        "at": at,
    }


def _reservation_of(model: Model) -> list[ColumnElement[bool]]:
    mine = _address(model)
    return [
        col(ModelReservation.name) == mine["name"],
        col(ModelReservation.version) == mine["version"],
    ]


def _address(model: Model) -> dict[str, str]:
    return {"name": sanitise(model.name), "version": sanitise(model.version)}
