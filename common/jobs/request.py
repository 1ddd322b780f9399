"""A job request as clients send it, and how it is read: as far as it can be.

What has the wrong shape is reported by field and left out, so that the rules can be checked on
the rest and every violation is told in one answer.
"""

import copy
from collections.abc import Mapping
from typing import Annotated, Any, Literal, cast
from uuid import UUID

from pydantic import ConfigDict, Field, PlainSerializer, ValidationError
from pydantic.alias_generators import to_camel

from common.body import Id, SnakeBody
from common.errors import Invalid, Violation

LINE = r"^[^\x00-\x1f\x7f]*$"
REFERENCE = r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?/[A-Za-z0-9._-]+$"
LABEL = r"^[A-Za-z0-9]([A-Za-z0-9._/-]*[A-Za-z0-9])?$"
VARIABLE = r"^[A-Za-z_][A-Za-z0-9_]*$"
QUANTITY = r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?$"
DIGEST = r"^(sha256:[0-9a-f]{64}|sha1:[0-9a-f]{40}|[0-9a-f]{40}|[0-9a-f]{64})$"
VERSION = r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$"

REQUIRED = ("jobType", "resourceProfile")
WORDS: dict[str, str] = {
    "missing": "is required",
    "model_type": "must be an object",
    "dict_type": "must be an object",
    "list_type": "must be a list",
    "string_type": "must be a string",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    LINE: "must be one line without control characters",
    REFERENCE: "must name a secret and its key, as in huggingface/token; never a value",
    LABEL: "must begin and end with a letter or digit, with ., _, / or - between",
    VARIABLE: "must be a variable's name: letters, digits and _",
    QUANTITY: "must be an amount like 500m, 4 or 16Gi",
    DIGEST: "must be sha256:<64 hex digits>, or a commit's digits",
    VERSION: "must begin and end with a letter or digit, with ., _ or - between",
}

Count = Annotated[int, Field(ge=0, le=1_000_000)]
Line = Annotated[str, Field(min_length=1, max_length=200, pattern=LINE)]
Text = Annotated[str, Field(min_length=1, max_length=4096)]
Uri = Annotated[str, Field(min_length=1, max_length=2048)]
Reference = Annotated[str, Field(max_length=250, pattern=REFERENCE)]
LabelName = Annotated[str, Field(max_length=63, pattern=LABEL)]
LabelValue = Annotated[str, Field(max_length=255, pattern=LINE)]
Variable = Annotated[str, Field(max_length=128, pattern=VARIABLE)]
Argument = Annotated[str, Field(max_length=4096)]
Value = Annotated[str, Field(max_length=32_768)]
Quantity = Annotated[str, Field(max_length=20, pattern=QUANTITY)]
Version = Annotated[str, Field(max_length=64, pattern=VERSION)]
Cores = Annotated[
    float,
    Field(ge=0.001, le=10_000),
    PlainSerializer(lambda cores: int(cores) if cores.is_integer() else cores, Any),
]
JobType = Literal["finetune", "from_scratch", "pretrain", "distributed"]
SpecJobType = Literal["PRETRAIN", "SFT", "RAG_TUNING", "RLHF", "EMBEDDING"]
DatasetType = Literal["pretrain_corpus", "sft_pair", "rag_qa", "rlhf_pair"]


class Part(SnakeBody):
    """A part of a request whose fields are spelled in camelCase, and in no other way."""

    model_config = ConfigDict(alias_generator=to_camel)


class ResourceProfile(Part):
    """With a GPU: gpuCount, gpuType and maxDuration (minutes); without: cpuCores, memory and
    maxDuration."""

    gpu_count: Annotated[int, Field(ge=1, le=1024)] | None = None
    gpu_type: Line | None = None
    max_duration: Annotated[int, Field(ge=1, le=1440)] | None = None
    num_nodes: Annotated[int, Field(ge=1, le=1024)] | None = None
    cpu_cores: Cores | None = None
    memory: Quantity | None = None


class RetryPolicy(Part):
    max_retries: Annotated[int, Field(ge=0, le=10)] = 3
    backoff_seconds: Annotated[int, Field(ge=0, le=900)] = 30


class Notifications(Part):
    """Webhook addresses."""

    on_start: list[Uri] = Field(default_factory=list[Uri], max_length=10)
    on_completion: list[Uri] = Field(default_factory=list[Uri], max_length=10)


class Source(Part):
    """The user's own code: `s3://...` with its sha256, or `git+https://host/repository@commit`, of
    which `#subdirectory=` names a folder; the commit may be the digest instead."""

    uri: Uri
    digest: Annotated[str, Field(pattern=DIGEST)] | None = None


class Trainer(Part):
    """The plug-in that runs the job."""

    framework: Line | None = None
    image: Annotated[str, Field(min_length=1, max_length=500)] | None = None
    entrypoint: Annotated[str, Field(min_length=1, max_length=1024)] | None = None
    args: list[Argument] = Field(default_factory=list[Argument], max_length=100)
    source: Source | None = None


class CheckpointChoice(Part):
    """The newest checkpoint of an earlier job of the project, or the one of this id."""

    job_id: Id
    id: Id | None = None


class DatasetRef(SnakeBody):
    name: Text | None = None
    version: Text | None = None
    type: DatasetType | None = None
    storage_uri: Uri | None = None


class SpecHyperparams(SnakeBody):
    lr: Annotated[float, Field(gt=0)] | None = None
    batch_size: Annotated[int, Field(ge=1)] | None = None
    num_epochs: Annotated[int, Field(ge=1)] | None = None
    max_seq_len: Annotated[int, Field(ge=1)] | None = None
    precision: Literal["fp16", "bf16"] | None = None


class SpecResources(SnakeBody):
    gpus: Count | None = None
    gpu_type: Line | None = None
    nodes: Count | None = None


class SpecOutput(SnakeBody):
    artifact_name: Line | None = None
    save_format: Literal["hf", "safetensors"] | None = None


class TrainJobSpec(SnakeBody):
    job_type: SpecJobType | None = None
    model_family: Line | None = None
    base_model_ref: Uri | None = None
    dataset_ref: DatasetRef | None = None
    hyperparams: SpecHyperparams | None = None
    method: Literal["full", "lora", "qlora"] | None = None
    resources: SpecResources | None = None
    output: SpecOutput | None = None
    use_gpu: bool | None = None


class JobRequest(Part):
    """Training to be done. What is required depends on the kind of job and is told by field."""

    project_id: Id | None = None
    name: Line | None = None
    labels: dict[LabelName, LabelValue] = Field(default_factory=dict[str, str], max_length=64)
    model_id: Id | None = None
    dataset_id: Id | None = None
    job_type: JobType | None = None
    use_gpu: bool | None = None
    resource_profile: ResourceProfile | None = None
    hyperparameters: dict[str, Any] = Field(default_factory=dict[str, Any])
    retry_policy: RetryPolicy = RetryPolicy()
    notifications: Notifications = Notifications()
    output_model_name: Line | None = None
    output_model_version: Version | None = None
    auto_register_output_model: bool = True
    train_job_spec: TrainJobSpec | None = None
    trainer: Trainer | None = None
    env: dict[Variable, Value] = Field(default_factory=dict[str, str], max_length=100)
    secrets: dict[Variable, Reference] = Field(default_factory=dict[str, str], max_length=100)
    shared_memory: Quantity | None = None
    stall_policy: Literal["mark", "restart", "fail"] = "mark"
    checkpoint: CheckpointChoice | None = None

    @property
    def on_gpu(self) -> bool:
        """What `useGpu` says, else the trainJobSpec's `use_gpu`, else yes."""
        if self.use_gpu is not None:
            return self.use_gpu
        spec = self.train_job_spec
        return True if spec is None or spec.use_gpu is None else spec.use_gpu


def read(raw: Any) -> tuple[JobRequest, list[Violation]]:
    """What can be read of the request, and what could not. Raises Invalid where nothing can."""
    if not isinstance(raw, dict):
        raise Invalid([Violation("body", "must be a JSON object")])
    sent = cast("dict[str, Any]", raw)
    rest = {name: value for name, value in sent.items() if value is not None}
    violations: list[Violation] = []
    while True:
        try:
            return JobRequest.model_validate(rest), violations
        except ValidationError as wrong:
            found = wrong.errors(include_url=False, include_input=False)
        fresh = [Violation(_path(each["loc"]), _reason(each)) for each in found]
        if set(fresh) <= set(violations):
            raise Invalid(violations)
        violations += dict.fromkeys(fresh)
        rest = copy.deepcopy(rest)
        for each in found:
            _leave_out(rest, each["loc"], missing=each["type"] == "missing")


def describe() -> dict[str, Any]:
    """The JSON schema of a request: what is null counts as left out."""
    schema = inline(JobRequest.model_json_schema())
    fields: dict[str, Any] = schema["properties"]
    for name, each in fields.items():
        if name in REQUIRED:
            fields[name] = each["anyOf"][0]
        elif {"type": "null"} not in each.get("anyOf", ()):
            fields[name] = {"anyOf": [each, {"type": "null"}]}
    return schema | {"required": list(REQUIRED)}


def inline(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema with its definitions written out where they are used."""
    definitions = schema.pop("$defs", {})

    def expand(node: Any) -> Any:
        if isinstance(node, list):
            return [expand(each) for each in cast("list[Any]", node)]
        if not isinstance(node, dict):
            return node
        entries = cast("dict[str, Any]", node)
        name = str(entries.get("$ref", "")).rpartition("/")[2]
        return {k: expand(v) for k, v in (definitions[name] if name else entries).items()}

    return expand(schema)


def project_of(raw: Any) -> UUID | None:
    """The project that a request names, where it can be read."""
    try:
        return UUID(raw["projectId"])
    except (TypeError, KeyError, ValueError, AttributeError):
        return None


def _reason(error: Mapping[str, Any]) -> str:
    pattern = error.get("ctx", {}).get("pattern", "")
    return WORDS.get(pattern) or WORDS.get(error["type"]) or error["msg"]


def _path(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location if part != "[key]")


def _leave_out(place: Any, location: tuple[int | str, ...], *, missing: bool) -> None:
    """Removes the value at this place, or the nearest entry of an object that holds it."""
    path = [part for part in location if part != "[key]"]
    holder, name = place, None
    for part in path[:-1] if missing else path:
        if isinstance(place, dict):
            holder, name = cast("dict[Any, Any]", place), part
        try:
            place = place[part]
        except (KeyError, IndexError, TypeError):
            break
    holder.pop(name, None)
