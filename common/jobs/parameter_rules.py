"""What the hyperparameters of a job must satisfy: the schema that its framework declares.

A name that the schema does not know is left to others, unless the schema itself says
`additionalProperties: false`. Who brings a program or an image of their own is not checked: what
the hyperparameters mean is then that program's affair.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from common.errors import Violation
from common.frameworks import Manifest
from common.jobs import schema_words
from common.jobs.offer import Offer
from common.jobs.request import JobRequest, Trainer
from common.trainers import Trainers


def check(request: JobRequest, offer: Offer) -> Iterator[Violation]:
    """Every violation, named by the field as it was sent."""
    name = framework_of(request, offer.trainers) or ""
    manifest = offer.frameworks.get(name)
    if manifest is None:
        return
    values, fields = _given(request, manifest)
    for wrong in offer.frameworks.validator(name).iter_errors(values):
        path = list(map(str, wrong.instance_path))
        place = _at(values, wrong.instance_path)
        for below, reason in schema_words.reasons(manifest.parameters, wrong, place):
            yield Violation(_field([*path, *below], fields), reason)


def framework_of(request: JobRequest, trainers: Trainers) -> str | None:
    """Whose program runs; None for one that nobody here knows."""
    chosen = request.trainer or Trainer()
    if chosen.entrypoint is not None or chosen.source is not None or chosen.image is not None:
        return None
    spec = request.train_job_spec
    if chosen.framework is None and spec is not None:
        listed = trainers.train_job_spec.images.get(spec.job_type or "")
        return listed.framework if listed else None
    return chosen.framework or trainers.default_framework


def dataset_problem(uri: str | None, request: JobRequest, offer: Offer) -> str | None:
    """Why the framework cannot read what lies there, as far as its name tells."""
    manifest = offer.frameworks.get(framework_of(request, offer.trainers) or "")
    if uri is None or manifest is None or not manifest.takes.dataset:
        return None
    ending = PurePosixPath(uri.partition("://")[2]).suffix.removeprefix(".").lower()
    if uri.endswith("/") or not ending or ending in manifest.takes.dataset:
        return None
    return f"is a .{ending} file; {manifest.title} takes {', '.join(manifest.takes.dataset)}"


def _given(request: JobRequest, manifest: Manifest) -> tuple[dict[str, Any], dict[str, str]]:
    """The parameters by their own names, as the trainer reads them, and where each was sent: an
    alias counts where the name itself is not given."""
    spec = request.train_job_spec
    listed = spec.hyperparams.model_dump(exclude_none=True) if spec and spec.hyperparams else {}
    values: dict[str, Any] = {}
    fields: dict[str, str] = {}
    sent = [(name, value, f"trainJobSpec.hyperparams.{name}") for name, value in listed.items()]
    for name, value in request.hyperparameters.items():
        sent.append((name, value, f"hyperparameters.{name}"))
    given = {name for name, _, _ in sent}
    for name, value, field in sent:
        known = manifest.aliases.get(name, name)
        if known == name or known not in given:
            values[known], fields[known] = value, field
    return values, fields


def _field(path: Sequence[str], fields: Mapping[str, str]) -> str:
    if not path:
        return "hyperparameters"
    return ".".join([fields.get(path[0], f"hyperparameters.{path[0]}"), *path[1:]])


def _at(values: Any, path: Sequence[str | int]) -> Any:
    for part in path:
        values = values[part]
    return values
