"""From what somebody sent to a submission: every rule checked, everything it refers to found.

What the configuration and the catalog say at this moment is written into the submission, so that
the job runs as it was accepted.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID, uuid4

import msgspec

from common import quantity, trainers
from common.access.permission import demand
from common.errors import Forbidden, Invalid, Violation
from common.jobs import parameter_rules, rules
from common.jobs import request as job_request
from common.jobs.offer import Offer
from common.jobs.request import JobRequest, Trainer
from common.jobs.resolved import Cache, Checkpoint, Gpu, Resolved, secret_name
from common.jobs.submission import Submission
from common.postgres import Queryable, statement
from common.storage import address
from common.tokens.user_token import User
from common.trace import TraceParent

NO_PROJECT = "is required: your token is for several projects"


@dataclass(frozen=True)
class Inputs:
    """What a request refers to; None where there is no such thing in its project."""

    model: dict[str, Any] | None
    dataset: dict[str, Any] | None
    checkpoint: Checkpoint | None
    taken: bool


def choose_project(raw: Any, user: User) -> UUID | None:
    """The project that the request names, or the caller's only one; None where neither says.
    Raises NotFound for a project of others, Forbidden for a viewer."""
    named = job_request.project_of(raw)
    projects = [str(named)] if named else list(user.projects)
    if not projects:
        raise Forbidden("Your token is for no project.")
    if len(projects) > 1:
        return None
    project = UUID(projects[0])
    demand(user, project, "member", "There is no such project.")
    return project


async def admit(
    connection: Queryable,
    raw: Any,
    *,
    project: UUID | None,
    user: User,
    offer: Offer,
    parent: TraceParent,
) -> Submission:
    """Raises Invalid with every violation, of shape, of rule and of what is not there."""
    request, found = job_request.read(raw)
    found += rules.check(request, offer, project)
    if project is None:
        found.append(Violation("projectId", NO_PROJECT))
        raise Invalid(_once_a_field(found))
    inputs = await _find_inputs(connection, request, project)
    found += _missing(request, inputs) + _unreadable(request, inputs, offer)
    if found:
        raise Invalid(_once_a_field(found))
    return _submission(request, inputs, offer, project, user, parent)


def _once_a_field(found: list[Violation]) -> list[Violation]:
    """What could not be read is not reported as absent too."""
    first: dict[str, Violation] = {}
    for each in found:
        first.setdefault(each.field, each)
    return list(first.values())


async def _find_inputs(connection: Queryable, request: JobRequest, project: UUID) -> Inputs:
    start = request.checkpoint
    row = await connection.fetchrow(
        statement("find_inputs"),
        project,
        request.model_id,
        request.dataset_id,
        start.job_id if start else None,
        start.id if start else None,
        _model_name(request, None),
        _model_version(request),
    )
    return Inputs(**dict(cast("Mapping[str, Any]", row)))


def _missing(request: JobRequest, inputs: Inputs) -> list[Violation]:
    absent = "is not in this project"
    found: list[Violation] = []
    if request.model_id is not None and inputs.model is None:
        found.append(Violation("modelId", absent))
    if request.dataset_id is not None and inputs.dataset is None:
        found.append(Violation("datasetId", absent))
    if request.checkpoint is not None and inputs.checkpoint is None:
        found.append(Violation("checkpoint", "no such checkpoint of a job in this project"))
    if inputs.taken:
        reason = "exists or is being trained under this name: choose another version"
        found.append(Violation("outputModelVersion", reason))
    return found


def _unreadable(request: JobRequest, inputs: Inputs, offer: Offer) -> list[Violation]:
    uri = inputs.dataset["uri"] if inputs.dataset else None
    problem = parameter_rules.dataset_problem(uri, request, offer)
    return [Violation("datasetId", problem)] if problem else []


def _submission(
    request: JobRequest,
    inputs: Inputs,
    offer: Offer,
    project: UUID,
    user: User,
    parent: TraceParent,
) -> Submission:
    job_id = uuid4()
    stored = request.model_dump(mode="json", by_alias=True)
    name = request.name or request.output_model_name or f"{request.job_type} {str(job_id)[:8]}"
    return Submission(
        id=job_id,
        project_id=project,
        submitted_by=user.subject,
        name=name,
        labels=request.labels,
        model_id=request.model_id,
        dataset_id=request.dataset_id,
        job_type=str(request.job_type),
        request=stored | {"resolved": _resolve(request, inputs, offer, project)},
        max_retries=request.retry_policy.max_retries,
        backoff_seconds=request.retry_policy.backoff_seconds,
        stall_policy=request.stall_policy,
        trace_id=parent.trace_id,
        traceparent=str(parent.child()),
        auto_register=request.auto_register_output_model,
        output_model_name=_model_name(request, job_id) or "",
        output_model_version=_model_version(request),
    )


def _model_name(request: JobRequest, job_id: UUID | None) -> str | None:
    """The name as it stands in the model's address."""
    for name in (request.output_model_name, request.name):
        if name and any(letter.isascii() and letter.isalnum() for letter in name):
            return address.sanitise(name)
    return f"model-{str(job_id)[:8]}" if job_id else None


def _model_version(request: JobRequest) -> str | None:
    version = request.output_model_version
    return address.sanitise(version) if version else None


def _resolve(request: JobRequest, inputs: Inputs, offer: Offer, project: UUID) -> Resolved:
    framework, image = _program(request, offer)
    gpu, cpu, memory, shared_memory = _resources(request, offer)
    spec = request.train_job_spec
    named = spec.dataset_ref.storage_uri if spec and spec.dataset_ref else None
    base = spec.base_model_ref if spec and (spec.base_model_ref or "").startswith("s3://") else None
    references = {name: ref.split("/", 1) for name, ref in request.secrets.items()}
    return {
        "framework": framework,
        "image": image,
        "command": offer.trainers.command(framework),
        "gpu": gpu,
        "cpu": cpu,
        "memory": memory,
        "sharedMemory": request.shared_memory or shared_memory,
        "terminationGraceSeconds": offer.trainers.termination_grace_seconds,
        "datasetUri": named or (inputs.dataset["uri"] if inputs.dataset else None),
        "modelUri": inputs.model["uri"] if inputs.model else base,
        "checkpoint": inputs.checkpoint,
        "secrets": {
            name: {"name": secret_name(project, secret), "key": key}
            for name, (secret, key) in references.items()
        },
        "cache": _cache(offer.trainers.cache),
    }


def _cache(cache: trainers.Cache | None) -> Cache | None:
    if cache is None:
        return None
    return {"volume": cache.volume(), "bytes": int(quantity.parse(cache.size))}


def _program(request: JobRequest, offer: Offer) -> tuple[str, str]:
    known, chosen = offer.trainers, request.trainer or Trainer()
    spec = request.train_job_spec
    if chosen.framework is None and spec is not None:
        listed = known.train_job_spec.images[str(spec.job_type)]
        framework, image = listed.framework, listed.on(use_gpu=request.on_gpu)
    else:
        framework = chosen.framework or known.default_framework
        image = known.frameworks[framework].images.on(use_gpu=request.on_gpu)
    return framework, str(chosen.image or image)


def _resources(request: JobRequest, offer: Offer) -> tuple[Gpu | None, str, str, str | None]:
    profile = request.resource_profile
    assert profile is not None
    kind = offer.gpu_type(profile.gpu_type) if request.on_gpu else None
    if kind is None:
        return None, f"{profile.cpu_cores:g}", str(profile.memory), None
    count = profile.gpu_count or 1
    gpu: Gpu = {
        "type": kind.id,
        "resourceName": kind.resource_name,
        "count": count,
        "nodeSelector": kind.node_selector,
        "tolerations": kind.tolerations,
    }
    each = kind.per_gpu
    pod = (quantity.times(amount, count) for amount in (each.cpu, each.memory, each.shared_memory))
    cpu, memory, shared_memory = pod
    return gpu, cpu, memory, shared_memory


def digest_of(raw: Any) -> str:
    """Tells one request from another, however its JSON was written."""
    return hashlib.sha256(msgspec.json.encode(raw, order="deterministic")).hexdigest()
