"""What a stack can be told."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from infra.local.broker import Timing, at_once
from infra.local.cluster import Faults

CLONE = Path(__file__).resolve().parents[2]
DEFAULT_HOME = Path("~/.eventrain")
DEFAULT_PORT = 8400


@dataclass(frozen=True)
class StackSettings:
    """`configuration` overrides values of the ConfigMap `eventrain`; `tick` is used instead of
    the PingSource's schedule (None keeps that); `capacity` is what the local node offers;
    `timing` and `faults` make the broker and the Kubernetes server misbehave; with `mlflow` its
    server runs beside the functions."""

    home: Path
    port: int = DEFAULT_PORT
    clone: Path = CLONE
    database_url: str | None = field(default=None, repr=False)
    postgres_folder: Path | None = None
    idle_seconds: float = 60.0
    start_seconds: float = 30.0
    tick: str | None = "*/2 * * * * *"
    configuration: Mapping[str, str] = field(default_factory=dict[str, str])
    capacity: Mapping[str, str] | None = None
    timing: Timing = at_once
    faults: Faults | None = None
    mlflow: bool = False

    @classmethod
    def from_environ(
        cls,
        environ: Mapping[str, str] = os.environ,
        *,
        home: Path | None,
        port: int,
        mlflow: bool = False,
    ) -> Self:
        """EVENTRAIN_HOME, DATABASE_URL, and EVENTRAIN_POSTGRES_BIN: a folder with a Postgres."""
        folder = environ.get("EVENTRAIN_POSTGRES_BIN")
        return cls(
            home=(home or Path(environ.get("EVENTRAIN_HOME", DEFAULT_HOME))).expanduser().resolve(),
            port=port,
            database_url=environ.get("DATABASE_URL") or None,
            postgres_folder=Path(folder) if folder else None,
            mlflow=mlflow,
        )
