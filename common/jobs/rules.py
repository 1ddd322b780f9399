"""What a job request must satisfy, beyond the shape of its fields.

Every rule is a generator of violations, each named by the field as it was sent; a rule looks only
at what could be read. What only the database knows is checked by `admission`.
"""

from collections.abc import Iterator
from itertools import chain
from typing import Any, cast
from uuid import UUID

import msgspec

from common import quantity
from common.errors import Violation
from common.jobs import parameter_rules, source_rules, spec_rules, webhook
from common.jobs.offer import Offer
from common.jobs.request import JobRequest, ResourceProfile, Trainer
from common.trainers import Trainers

# Both reach the trainer in one variable of its environment, which Linux bounds at 128 KiB.
LARGEST_HYPERPARAMETERS = 64 * 1024
LARGEST_ARGS = 32 * 1024
DEEPEST_HYPERPARAMETERS = 10
LARGEST_ENV = 128 * 1024
OWN_VARIABLES = frozenset(
    {
        "ADDRESSES_URL",
        "ATTEMPT",
        "BACKEND_BASE_URL",
        "CALLBACK_TOKEN",
        "CALLBACK_TOKEN_FILE",
        "CHECKPOINT_URI",
        "DATASET_ID",
        "DATASET_URI",
        "DONE_URL",
        "EPOCHS",
        "EVENT_URL",
        "HEARTBEAT_INTERVAL_SECONDS",
        "HEARTBEAT_URL",
        "HOME",
        "JOB_ID",
        "MLFLOW_EXPERIMENT_NAME",
        "MLFLOW_TRACKING_URI",
        "MODEL_NAME",
        "MODEL_URI",
        "PYTHONUNBUFFERED",
        "RESULT_PUT_URL",
        "STORAGE_TYPE",
        "TRACEPARENT",
        "TRACE_ID",
        "TRAINER_CONFIG",
        "TERMINATION_GRACE_SECONDS",
        "TRAINER_FRAMEWORK",
        "WORK_DIR",
    }
)


def check(request: JobRequest, offer: Offer, project: UUID | None) -> Iterator[Violation]:
    """Every rule that the request breaks."""
    return chain(
        _job_type(request),
        _resources(request, offer),
        _shared_memory(request),
        _hyperparameters(request, offer),
        _webhooks(request, offer),
        _output(request),
        _trainer(request, offer, project),
        _variables(request),
        _spec(request, offer, project),
    )


def _job_type(request: JobRequest) -> Iterator[Violation]:
    if request.job_type is None:
        yield Violation("jobType", "is required")
    if request.job_type == "finetune" and request.model_id is None:
        yield Violation("modelId", "is required to finetune")
    architecture = request.hyperparameters.get("architecture")
    if request.job_type in ("from_scratch", "pretrain") and not architecture:
        yield Violation("hyperparameters.architecture", f"is required for {request.job_type}")


def _resources(request: JobRequest, offer: Offer) -> Iterator[Violation]:
    profile = request.resource_profile
    if profile is None:
        yield Violation("resourceProfile", "is required")
        return
    if profile.max_duration is None:
        yield Violation("resourceProfile.maxDuration", "is required, in minutes")
    if (profile.num_nodes or 1) > 1:
        yield Violation("resourceProfile.numNodes", "more than one node is not offered yet")
    yield from _gpu(profile, offer) if request.on_gpu else _cpu(profile, offer)
    too_few = not request.on_gpu or (profile.gpu_count or 2) * (profile.num_nodes or 1) < 2
    if request.job_type == "distributed" and too_few:
        field = "resourceProfile.gpuCount" if request.on_gpu else "useGpu"
        yield Violation(field, "a distributed job needs at least 2 GPUs")


def _gpu(profile: ResourceProfile, offer: Offer) -> Iterator[Violation]:
    if profile.gpu_count is None:
        yield Violation("resourceProfile.gpuCount", "is required with a GPU")
    if profile.gpu_type is None:
        yield Violation("resourceProfile.gpuType", "is required with a GPU")
        return
    offered = offer.gpu_type(profile.gpu_type)
    if offered is None:
        names = ", ".join(each.id for each in offer.gpu_types if each.enabled) or "none"
        reason = f"is not offered in {offer.environment}, where there are: {names}"
        yield Violation("resourceProfile.gpuType", reason)
    elif (profile.gpu_count or 0) > offered.max_per_job:
        reason = f"may be at most {offered.max_per_job} of {offered.id}"
        yield Violation("resourceProfile.gpuCount", reason)


def _cpu(profile: ResourceProfile, offer: Offer) -> Iterator[Violation]:
    limits = offer.trainers.cpu_limits
    if profile.cpu_cores is None:
        yield Violation("resourceProfile.cpuCores", "is required without a GPU")
    elif profile.cpu_cores > limits.cpu_cores:
        yield Violation("resourceProfile.cpuCores", f"may be at most {limits.cpu_cores:g}")
    if profile.memory is None:
        yield Violation("resourceProfile.memory", "is required without a GPU")
    elif not 0 < quantity.parse(profile.memory) <= quantity.parse(limits.memory):
        yield Violation("resourceProfile.memory", f"must be above 0, at most {limits.memory}")


def _shared_memory(request: JobRequest) -> Iterator[Violation]:
    memory = request.resource_profile.memory if request.resource_profile else None
    if request.shared_memory is None:
        return
    size = quantity.parse(request.shared_memory)
    if size <= 0 or size != size.to_integral_value():
        yield Violation("sharedMemory", "must be a whole number of bytes above 0")
    elif memory and not request.on_gpu and size > quantity.parse(memory):
        yield Violation("sharedMemory", "is part of resourceProfile.memory and cannot exceed it")


def _hyperparameters(request: JobRequest, offer: Offer) -> Iterator[Violation]:
    values = request.hyperparameters
    if len(msgspec.json.encode(values)) > LARGEST_HYPERPARAMETERS:
        reason = f"may be at most {LARGEST_HYPERPARAMETERS} bytes of JSON"
        yield Violation("hyperparameters", reason)
    elif _depth(values) > DEEPEST_HYPERPARAMETERS:
        reason = f"may be nested at most {DEEPEST_HYPERPARAMETERS} levels deep"
        yield Violation("hyperparameters", reason)
    else:
        yield from parameter_rules.check(request, offer)


def _depth(value: Any) -> int:
    match value:
        case dict():
            inner = cast("dict[str, Any]", value).values()
        case list():
            inner = cast("list[Any]", value)
        case _:
            return 0
    return 1 + max(map(_depth, inner), default=0)


def _webhooks(request: JobRequest, offer: Offer) -> Iterator[Violation]:
    hooks = request.notifications
    policy = webhook.policy_of(offer.trainers, offer.environment)
    for name, urls in (("onStart", hooks.on_start), ("onCompletion", hooks.on_completion)):
        for index, url in enumerate(urls):
            problem = webhook.problem(url, policy)
            if problem:
                yield Violation(f"notifications.{name}.{index}", problem)


def _output(request: JobRequest) -> Iterator[Violation]:
    name = request.output_model_name
    if name is not None and not any(letter.isascii() and letter.isalnum() for letter in name):
        yield Violation("outputModelName", "must hold a letter or digit, for it names an address")


def _trainer(request: JobRequest, offer: Offer, project: UUID | None) -> Iterator[Violation]:
    trainer = request.trainer or Trainer()
    if trainer.image is not None and not offer.trainers.allows_image(trainer.image):
        yield Violation("trainer.image", "matches none of the images that are allowed")
    if len(msgspec.json.encode(trainer.args)) > LARGEST_ARGS:
        yield Violation("trainer.args", f"may be at most {LARGEST_ARGS} bytes of JSON")
    if trainer.framework is not None or request.train_job_spec is None:
        yield from _framework(request, offer.trainers)
    yield from source_rules.check(trainer, offer, project, request.dataset_id)


def _framework(request: JobRequest, trainers: Trainers) -> Iterator[Violation]:
    chosen = request.trainer or Trainer()
    name = chosen.framework or trainers.default_framework
    known = trainers.frameworks.get(name)
    if known is None:
        reason = f"is none of {', '.join(sorted(trainers.frameworks))}"
        yield Violation("trainer.framework", reason)
        return
    if request.job_type is not None and request.job_type not in known.job_types:
        yield Violation("jobType", f"{name} does not offer {request.job_type}")
    if chosen.image is None and known.images.on(use_gpu=request.on_gpu) is None:
        kind = "with" if request.on_gpu else "without"
        yield Violation("useGpu", f"{name} does not run {kind} a GPU")


def _variables(request: JobRequest) -> Iterator[Violation]:
    for field, names in (("env", request.env), ("secrets", request.secrets)):
        for name in sorted(OWN_VARIABLES & set(names)):
            yield Violation(f"{field}.{name}", "is set by the platform")
    for name in sorted(set(request.env) & set(request.secrets)):
        yield Violation(f"secrets.{name}", "is in env as well")
    if sum(len(name) + len(value) for name, value in request.env.items()) > LARGEST_ENV:
        yield Violation("env", f"may be at most {LARGEST_ENV} characters in all")


def _spec(request: JobRequest, offer: Offer, project: UUID | None) -> Iterator[Violation]:
    spec = request.train_job_spec
    if spec is None:
        return
    yield from spec_rules.check(spec, offer.trainers, on_gpu=request.on_gpu)
    if spec.use_gpu is not None and request.use_gpu not in (None, spec.use_gpu):
        yield Violation("trainJobSpec.use_gpu", "contradicts useGpu")
    places = {
        "dataset_ref.storage_uri": spec.dataset_ref.storage_uri if spec.dataset_ref else None,
        "base_model_ref": spec.base_model_ref,
    }
    for field, uri in places.items():
        if uri is None or (field == "base_model_ref" and "://" not in uri):
            continue
        problem = offer.place_problem(uri, project, request.dataset_id)
        if problem:
            yield Violation(f"trainJobSpec.{field}", problem)
    problem = parameter_rules.dataset_problem(places["dataset_ref.storage_uri"], request, offer)
    if problem:
        yield Violation("trainJobSpec.dataset_ref.storage_uri", problem)
