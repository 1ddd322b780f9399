"""What is said of experiment runs and asked about them, and how they are shown."""

from typing import Annotated, Any, Literal

from fastapi import Path
from pydantic import Field
from typing_extensions import TypedDict

from common.body import Body, Id
from common.tracking.run import ExperimentRun

JobId = Annotated[Id, Path(alias="jobId")]
Name = Annotated[str, Field(min_length=1, max_length=250)]
Figure = float | Literal["NaN", "Infinity", "-Infinity"]


class NewRun(Body):
    """What is left out stays as it is."""

    experiment_name: Name | None = None
    run_name: Name | None = None
    parameters: dict[Name, Any] = Field(default_factory=dict[str, Any], max_length=1000)


class NewMetrics(Body):
    metrics: Annotated[dict[Name, Figure], Field(min_length=1, max_length=1000)]
    step: Annotated[int, Field(ge=-(2**63), le=2**63 - 1)] | None = None


class Query(Body):
    experiment_name: Name | None = None
    filter_string: Annotated[
        str, Field(max_length=4000, description="as MLflow spells it: metrics.loss < 0.2 and ...")
    ] = ""
    max_results: Annotated[int, Field(ge=1, le=1000)] = 100


class Runs(TypedDict):
    """`total` is how many are shown."""

    experiments: list[ExperimentRun]
    total: int
