"""What a trainJobSpec must satisfy: the kind of training, its data, its base model, its method."""

from collections.abc import Iterator

from common.errors import Violation
from common.jobs.request import TrainJobSpec
from common.trainers import Trainers

DATASET_OF = {
    "PRETRAIN": "pretrain_corpus",
    "SFT": "sft_pair",
    "RAG_TUNING": "rag_qa",
    "RLHF": "rlhf_pair",
}


def check(spec: TrainJobSpec, trainers: Trainers, *, on_gpu: bool) -> Iterator[Violation]:
    """Every rule that the spec breaks."""
    yield from _kind(spec, trainers, on_gpu=on_gpu)
    yield from _dataset(spec)
    yield from _base(spec)
    if spec.resources is not None and (spec.resources.nodes or 1) > 1:
        yield Violation("trainJobSpec.resources.nodes", "more than one node is not offered yet")


def _kind(spec: TrainJobSpec, trainers: Trainers, *, on_gpu: bool) -> Iterator[Violation]:
    families = trainers.train_job_spec.model_families
    if spec.model_family is None:
        yield Violation("trainJobSpec.model_family", "is required")
    elif spec.model_family not in families:
        yield Violation("trainJobSpec.model_family", f"is none of {', '.join(families)}")
    if spec.job_type is None:
        yield Violation("trainJobSpec.job_type", "is required")
        return
    images = trainers.train_job_spec.images.get(spec.job_type)
    if images is None:
        yield Violation("trainJobSpec.job_type", f"{spec.job_type} is not offered here")
    elif images.on(use_gpu=on_gpu) is None:
        kind = "with" if on_gpu else "without"
        yield Violation("trainJobSpec.job_type", f"{spec.job_type} does not run {kind} a GPU")


def _dataset(spec: TrainJobSpec) -> Iterator[Violation]:
    wanted = DATASET_OF.get(spec.job_type or "")
    if wanted is None:
        return
    found = spec.dataset_ref.type if spec.dataset_ref else None
    if spec.dataset_ref is not None and found != wanted:
        yield Violation("trainJobSpec.dataset_ref.type", f"must be {wanted} for {spec.job_type}")


def _base(spec: TrainJobSpec) -> Iterator[Violation]:
    if spec.job_type is None:
        return
    if spec.job_type != "PRETRAIN":
        if spec.base_model_ref is None:
            yield Violation("trainJobSpec.base_model_ref", f"is required for {spec.job_type}")
        return
    if spec.base_model_ref is not None:
        yield Violation("trainJobSpec.base_model_ref", "must not be given for PRETRAIN")
    if spec.method not in (None, "full"):
        yield Violation("trainJobSpec.method", "must be full for PRETRAIN")
