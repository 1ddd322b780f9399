"""What a trainer tells of its experiment runs: a report of type `mlflow` holds operations, in order.

They are told by the relay that stands in for MLflow beside the program; runs and models bear the
relay's ids. Only shapes are refused here: what is merely too much is left out by the fold, which
says so, for a program cannot be told any more.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec

from common.errors import Invalid, Violation

TYPE = "mlflow"
MOST = 1000
# The last millisecond that a timestamp can hold.
LAST = 253_402_300_799_999

RunId = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{32}$")]
ModelId = Annotated[str, msgspec.Meta(pattern="^m-[0-9a-f]{32}$")]
Key = Annotated[str, msgspec.Meta(max_length=500)]
Words = dict[Key, str]
Named = Annotated[str, msgspec.Meta(max_length=1000)]
Millis = Annotated[int, msgspec.Meta(ge=0, le=LAST)]
Step = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
Value = float | Literal["NaN", "Infinity", "-Infinity"]
State = Literal["RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED"]
Things = Annotated[list[dict[str, Any]], msgspec.Meta(max_length=MOST)]


class Op(msgspec.Struct, tag_field="op", rename="camel"):
    """One operation."""


class Run(Op, tag="run"):
    """A run was made; the main one is the first without a parent, which is whatever the program
    says it is. `experiment` is the one that the program chose."""

    run: RunId
    name: Named = ""
    parent: Named | None = None
    experiment: Named = ""
    main: bool = False
    start_time: Millis | None = None
    tags: Words = {}


class Tags(Op, tag="tags"):
    run: RunId
    tags: Words


class Untag(Op, tag="untag"):
    run: RunId
    key: Key


class Params(Op, tag="params"):
    run: RunId
    params: Words


class Metrics(Op, tag="metrics"):
    """Of runs that are not main: the main one's are points of heartbeats."""

    run: RunId
    metrics: list[tuple[Key, Value, Millis, Step]]


class Ended(Op, tag="status"):
    run: RunId
    status: State
    end_time: Millis | None = None


class Rename(Op, tag="rename"):
    run: RunId
    name: Named


class Inputs(Op, tag="inputs"):
    run: RunId
    datasets: Things = []
    models: Things = []


class Outputs(Op, tag="outputs"):
    run: RunId
    models: Things = []


class Model(Op, tag="model"):
    """A model was logged."""

    model: ModelId
    run: RunId | None = None
    name: Named = ""
    type: Named | None = None
    params: Words = {}
    tags: Words = {}


class ModelStatus(Op, tag="model_status"):
    model: ModelId
    status: Named


class ModelTags(Op, tag="model_tags"):
    model: ModelId
    tags: Words


Operation = (
    Run
    | Tags
    | Untag
    | Params
    | Metrics
    | Ended
    | Rename
    | Inputs
    | Outputs
    | Model
    | ModelStatus
    | ModelTags
)


class Payload(msgspec.Struct):
    ops: Annotated[list[Operation], msgspec.Meta(max_length=MOST)]


def read(payload: Mapping[str, Any]) -> Sequence[Operation]:
    """The operations of a report's payload. Raises Invalid, by field."""
    try:
        return msgspec.convert(payload, Payload).ops
    except msgspec.ValidationError as wrong:
        raise Invalid([_violation(str(wrong))]) from None


def _violation(message: str) -> Violation:
    """msgspec says `reason - at `$.ops[3].run``."""
    reason, _, path = message.partition(" - at `$")
    steps = path.rstrip("`").replace("[...]", "").replace("[", ".").replace("]", "")
    return Violation(f"payload{steps}", reason[:200])
