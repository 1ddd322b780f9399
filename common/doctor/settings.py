"""What the doctor goes by."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Self

from common.environ import Reader, seconds
from common.settings import Concern


@dataclass(frozen=True, slots=True)
class Ticks(Concern):
    """How far the clock's ticks lie apart."""

    interval: timedelta

    @classmethod
    def read(cls, reader: Reader) -> Self:
        return cls(reader.value("TRAINING_JOB_STATUS_SYNC_INTERVAL", seconds, "30"))


@dataclass(frozen=True, slots=True)
class Home(Concern):
    """How to reach the cluster in which the functions themselves live; without a kubeconfig, the
    pod's service account speaks."""

    kubeconfig: Path | None

    @classmethod
    def read(cls, reader: Reader) -> Self:
        kubeconfig = reader.text("KUBECONFIG", "-")
        return cls(None if kubeconfig == "-" else Path(kubeconfig))
