"""A job request from what was typed: a file, a folder of code, and single values."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eventrain_client import code
from eventrain_client.replies import Checkpoint, JsonObject

from infra.cli.errors import UsageFault
from infra.cli.job_file import change_values, read_request
from infra.cli.session import find_job

if TYPE_CHECKING:
    from eventrain_client.client import Client


@dataclass(frozen=True)
class Asked:
    """The options of `submit` that say what the job is."""

    folder: str | None = None
    args: tuple[str, ...] = ()
    file: str | None = None
    settings: tuple[str, ...] = ()
    entrypoint: str | None = None
    framework: str | None = None
    name: str | None = None
    labels: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    shared_memory: str | None = None
    start_from: str | None = None


def compose(asked: Asked) -> JsonObject:
    """The request but for what only the control plane knows. Raises UsageFault."""
    if not asked.folder and not asked.file:
        raise UsageFault("Name a folder of code, or a job by --file.")
    if asked.folder and not asked.entrypoint:
        raise UsageFault(
            f"Which file of {asked.folder} is to be run?", advice="Say it: --entrypoint train.py."
        )
    if asked.entrypoint and not asked.folder:
        raise UsageFault("--entrypoint is a file of a folder; name the folder too.")
    request: JsonObject = deepcopy(dict(code.OF_A_FOLDER)) if asked.folder else {}
    request |= read_request(asked.file, ()) if asked.file else {}
    _single_values(request, asked)
    change_values(request, asked.settings)
    if asked.folder:
        code.fill_in(request, Path(asked.folder))
    return request


def checkpoint(client: Client, named: str) -> JsonObject:
    """`JOB` for its newest checkpoint, `JOB:NAME` for the newest of this name, or the
    one whose id begins so. Raises UsageFault."""
    job, _, wanted = named.partition(":")
    job_id = find_job(client, job)
    if not wanted:
        return {"jobId": job_id}
    known = list(client.jobs.checkpoints(job_id))
    return {"jobId": job_id, "id": checkpoint_called(known, job, wanted)["id"]}


def checkpoint_called(known: Sequence[Checkpoint], job: str, wanted: str) -> Checkpoint:
    """The newest of this name, or the one whose id begins so. Raises UsageFault."""
    found = [each for each in known if _is_called(each, wanted)]
    if not found:
        there = ", ".join(each["name"] for each in known) or "none"
        raise UsageFault(f"{job} has no checkpoint {wanted}; it has: {there}.")
    return found[-1]


def _is_called(checkpoint: Checkpoint, wanted: str) -> bool:
    """Names are kept with the start of their digest in front."""
    name = checkpoint["name"]
    return name == wanted or name.endswith(f"-{wanted}") or checkpoint["id"].startswith(wanted)


def _single_values(request: JsonObject, asked: Asked) -> None:
    single = {"name": asked.name, "sharedMemory": asked.shared_memory}
    request |= {key: value for key, value in single.items() if value is not None}
    for key, pairs in (("labels", asked.labels), ("env", asked.env), ("secrets", asked.secrets)):
        if pairs:
            request[key] = {**(request.get(key) or {}), **_pairs(key, pairs)}
    trainer: dict[str, Any] = dict(request.get("trainer") or {})
    trainer |= {"framework": asked.framework} if asked.framework else {}
    trainer |= {"entrypoint": asked.entrypoint} if asked.entrypoint else {}
    trainer |= {"args": list(asked.args)} if asked.args else {}
    if trainer:
        request["trainer"] = trainer


def _pairs(key: str, pairs: Sequence[str]) -> dict[str, str]:
    found = [pair.partition("=") for pair in pairs]
    for pair, (name, equals, _) in zip(pairs, found, strict=True):
        if not name or not equals:
            raise UsageFault(f"{pair!r} of {key} cannot be read.", advice="Write NAME=VALUE.")
    return {name: value for name, _, value in found}
