"""What holds for every framework that trains epoch by epoch, run by the real runner."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.integration.trainer.control_plane import ControlPlane
from tests.integration.trainer.program import Program

Start = Callable[..., Program]
LONG = 300.0


@dataclass(frozen=True)
class Journey:
    """One framework with hyperparameters that make it quick, and where its control plane is."""

    framework: str
    python: str
    plane: ControlPlane
    program: Start
    hyperparameters: dict[str, Any]

    def start(self, checkpoint: dict[str, Any] | None = None, **changed: Any) -> Program:
        config = {
            "jobType": "from_scratch",
            "framework": self.framework,
            "hyperparameters": self.hyperparameters | changed,
            "checkpoint": checkpoint,
        }
        return self.program(
            **self.plane.environ(
                PYTHON=self.python,
                TRAINER_FRAMEWORK=self.framework,
                TRAINER_CONFIG=json.dumps(config),
                OMP_NUM_THREADS="1",
                TERMINATION_GRACE_SECONDS="240",
                UPLOAD_WAIT_SECONDS="60",
            )
        )

    def course(self, metric: str) -> dict[int, float]:
        return {p["step"]: p["value"] for p in self.plane.points if p["name"] == metric}

    def whole(self, metric: str) -> dict[int, float]:
        """What is measured when nothing happens; it is then forgotten."""
        run = self.start()
        assert run.wait(LONG) == 0, run.output
        found = self.course(metric)
        self.forget()
        return found

    def broken_off(self, saved: int = 1) -> dict[str, Any]:
        """The newest checkpoint of an attempt that was killed after it had saved so often."""
        first = self.start(epoch_seconds=2)
        self._wait(first, lambda: len(self.plane.of_type("checkpoint_saved")) >= saved)
        first.kill()
        found = self.plane.newest_checkpoint()
        assert found is not None
        self.forget()
        return found

    def resumed(self, checkpoint: dict[str, Any], metric: str) -> dict[int, float]:
        """What the next attempt measures."""
        self.plane.attempt = 2
        run = self.start(checkpoint)
        assert run.wait(LONG) == 0, run.output
        return self.course(metric)

    def stopped(self) -> None:
        """Asked to stop in the middle of a training without end, it saves and ends."""
        run = self.start(epochs=1000, checkpoint_every=1000, epoch_seconds=0.5)
        self._wait(run, lambda: bool(self.plane.points))
        self.plane.command = "checkpoint_and_stop"
        assert run.wait(LONG) == 143, run.output
        assert self.plane.newest_checkpoint() is not None
        [done] = self.plane.dones
        assert (done["outcome"], done["errorClass"]) == ("failed", "transient")

    def _wait(self, run: Program, happened: Callable[[], bool]) -> None:
        self.plane.wait_for(lambda: happened() or run.process.poll() is not None, LONG)
        assert happened(), run.output

    def forget(self) -> None:
        self.plane.heartbeats.clear()
        self.plane.events.clear()
        self.plane.dones.clear()
