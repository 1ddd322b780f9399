"""A small job of a framework, as its folder here describes it, run by the real runner.

small.yaml   loss: which metric must fall; jobType, hyperparameters; environ, if it needs any
data.py      makes the dataset in the folder that it is given, run in the framework's environment
test_*.py    whatever else holds for the framework
"""

import json
import math
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.integration.trainer.bucket import Bucket
from tests.integration.trainer.control_plane import ControlPlane
from tests.integration.trainer.program import Program

HERE = Path(__file__).parent
FALLS_TO = 0.7
LONGEST_SECONDS = 600.0


@dataclass(frozen=True)
class Course:
    """What was told of the loss in one run, or why there is nothing to tell."""

    losses: tuple[float, ...] = ()
    failure: str = ""

    @property
    def learns(self) -> bool:
        return not self.failure and self.losses[-1] < FALLS_TO * self.losses[0]

    def __str__(self) -> str:
        if self.failure:
            return self.failure
        first, last = self.losses[0], self.losses[-1]
        return f"{first:.3f} -> {last:.3f} ({last / first:.2f})"


@dataclass(frozen=True)
class Small:
    name: str
    python: Path

    @property
    def folder(self) -> Path:
        return HERE / self.name

    def data(self, into: Path) -> list[Path]:
        """Raises CalledProcessError where its program fails."""
        program = self.folder / "data.py"
        if program.is_file():
            into.mkdir(parents=True)
            subprocess.run([str(self.python), str(program), str(into)], check=True)
        return sorted(path for path in into.rglob("*") if path.is_file())

    def train(self, seed: int, bucket: Bucket, scratch: Path) -> Course:
        """One run, from the data to the model."""
        told: dict[str, Any] = yaml.safe_load((self.folder / "small.yaml").read_text())
        bucket.empty()
        with ControlPlane(bucket) as plane:
            environ = self._environ(told, seed, plane, scratch)
            run = Program(scratch, (), environ)
            try:
                code = run.wait(LONGEST_SECONDS)
            except subprocess.TimeoutExpired:
                return Course(failure=f"did not end within {LONGEST_SECONDS:.0f} s")
            finally:
                run.kill()
            return _course(plane, told["loss"], code, run.output)

    def _environ(
        self, told: Mapping[str, Any], seed: int, plane: ControlPlane, scratch: Path
    ) -> dict[str, str]:
        config = {
            "jobType": told["jobType"],
            "framework": self.name,
            "hyperparameters": told["hyperparameters"] | {"seed": seed},
        }
        given = {
            "PYTHON": str(self.python),
            "HOME": str(scratch),
            "TRAINER_FRAMEWORK": self.name,
            "TRAINER_CONFIG": json.dumps(config),
            "UPLOAD_WAIT_SECONDS": "120",
        }
        given |= {name: str(value) for name, value in (told.get("environ") or {}).items()}
        if uri := self._dataset(plane.bucket, scratch / "data"):
            given["DATASET_URI"] = uri
        return plane.environ(**given)

    def _dataset(self, bucket: Bucket | None, folder: Path) -> str | None:
        files = self.data(folder)
        assert bucket is not None
        for file in files:
            uri = bucket.write(f"datasets/small/{file.relative_to(folder)}", file.read_bytes())
            if len(files) == 1:
                return uri
        return bucket.uri("datasets/small/") if files else None


def _course(plane: ControlPlane, name: str, code: int, output: str) -> Course:
    outcomes = [done["outcome"] for done in plane.dones]
    if code != 0 or outcomes != ["succeeded"]:
        last = (output.strip().splitlines() or ["nothing"])[-1]
        return Course(failure=f"ended with {code}, told {outcomes}, said: {last}")
    losses = [float(point["value"]) for point in plane.points if point["name"] == name]
    if len(losses) < 2 or not all(map(math.isfinite, losses)):
        return Course(failure=f"told no course of {name!r}: {losses[:5]}")
    return Course(tuple(losses))
