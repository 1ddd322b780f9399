"""What every callback does alike: it never raises into the training, and speaks with one voice."""

import functools
import os
import shutil
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from eventrain_trainer.metric import NotAMetric, number
from eventrain_trainer.port import Resumed
from eventrain_trainer.run import Run

P = ParamSpec("P")


class Telling(Protocol):
    @property
    def run(self) -> Run: ...


T = TypeVar("T", bound=Telling)


def quiet(call: "Callable[Concatenate[T, P], None]") -> "Callable[Concatenate[T, P], None]":
    """A fault of ours is a warning of the run, never the end of a training."""

    @functools.wraps(call)
    def guarded(one: T, /, *args: P.args, **kwargs: P.kwargs) -> None:
        try:
            call(one, *args, **kwargs)
        except Exception as error:  # noqa: BLE001 telemetry never kills training
            one.run.warn(f"{call.__name__}: {type(error).__name__}: {error}")

    return guarded


def numbers(values: Mapping[str, Any]) -> dict[str, float]:
    """Those of the values that are numbers; loops keep much else among their metrics."""
    found: dict[str, float] = {}
    for name, value in values.items():
        try:
            found[name] = number(name, value)
        except NotAMetric:
            continue
    return found


def pack(folder: Path) -> Path:
    """A folder as one file beside it, as a checkpoint is uploaded; not compressed, as weights do
    not become smaller."""
    packed = folder.with_name(f"{folder.name}.tar")
    part = packed.with_name(f".{packed.name}.part")
    with tarfile.open(part, "w") as tar:
        tar.add(folder, arcname=".")
    return part.replace(packed)


def unpack(resumed: Resumed, target: Path) -> Path:
    """The folder that `pack` packed. Raises tarfile.TarError, and OSError, for another file."""
    part = target.with_name(f".{target.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    with tarfile.open(resumed.path) as tar:
        # Python's guard came with 3.11.4; before it a checkpoint of one's own is taken as it is.
        guard: Any = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
        tar.extractall(part, **guard)
    shutil.rmtree(target, ignore_errors=True)
    return part.rename(target)


def first_of_all() -> bool:
    """Whether this process is the one that speaks, for loops that do not say so themselves."""
    return os.environ.get("RANK", os.environ.get("LOCAL_RANK", "0")) in ("", "0", "-1")
