"""How long things are kept: retention.yaml."""

from typing import Annotated, Literal

import msgspec

Days = Annotated[float, msgspec.Meta(gt=0, le=36_500)]
Count = Annotated[int, msgspec.Meta(ge=0, le=1000)]


class Best(msgspec.Struct, rename="camel", forbid_unknown_fields=True, frozen=True):
    """By which metric a checkpoint is the best of its job."""

    metric: str = "loss"
    wanted: Literal["least", "most"] = "least"


class Retention(msgspec.Struct, rename="camel", forbid_unknown_fields=True, frozen=True):
    """For how many days things are kept, once their job is over; jobs, attempts, figures and
    artifacts stay. Of a job that is over, so many of the newest checkpoints and the best one. A
    day after the end no token of an attempt is valid any more: nothing is packed before."""

    idempotency_keys_days: Days = 1
    finished_work_days: Days = 30
    packed_after_days: Annotated[float, msgspec.Meta(ge=1, le=36_500)] = 1
    heartbeats_days: Days = 90
    outlines_days: Days = 400
    logs_days: Days = 90
    timeline_days: Days = 400
    unfinished_uploads_days: Days = 7
    dead_letters_days: Days = 90
    audit_days: Days = 400
    checkpoints: Count = 3
    checkpoints_after_days: Days = 7
    best: Best = Best()


def parse(content: bytes) -> Retention:
    """Reads retention.yaml. Raises msgspec.MsgspecError."""
    return msgspec.yaml.decode(content, type=Retention)
