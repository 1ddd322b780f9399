"""What every framework does alike around its own training: it tells each epoch, saves, stops when
asked to, and leaves a model with its metrics and requirements."""

import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

from eventrain_trainer.run import Run

STOPPED = 143


class Training(Protocol):
    """One that is trained epoch by epoch; `epoch` counts those that are over."""

    epoch: int

    def run_epoch(self) -> Mapping[str, float]:
        """One more epoch, and what was measured after it; `loss` is among it."""
        ...

    def save(self, path: Path) -> Path:
        """All that it needs to go on exactly. The name appears only when the file is whole."""
        ...


class Paced(Protocol):
    """The hyperparameters that say how a training goes on."""

    @property
    def epochs(self) -> int: ...

    @property
    def checkpoint_every(self) -> int: ...

    @property
    def epoch_seconds(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Pace:
    """An epoch lasts at least so long, for those who like to watch."""

    run: Run
    seconds: float

    def wait(self, began: float) -> None:
        until = began + self.seconds
        while not self.run.should_stop and (rest := until - time.monotonic()) > 0:
            time.sleep(min(rest, 0.1))


def train(run: Run, training: Training, paced: Paced, suffix: str) -> bool:
    """False when somebody asked it to stop; what it had learnt is then saved."""
    pace = Pace(run, paced.epoch_seconds)
    run.progress(epoch=training.epoch, total_epochs=paced.epochs)
    while training.epoch < paced.epochs:
        began = time.monotonic()
        metrics = training.run_epoch()
        tell_epoch(run, training.epoch, paced.epochs, metrics)
        pace.wait(began)
        stopping = run.should_stop
        if stopping or training.epoch % paced.checkpoint_every == 0:
            path = training.save(run.work_dir / f"epoch-{training.epoch}{suffix}")
            run.checkpoint(path, epoch=training.epoch, metrics=metrics)
        if stopping:
            finish_stopped(run, training.epoch)
            return False
    return True


def tell_epoch(run: Run, epoch: int, epochs: int, metrics: Mapping[str, float]) -> None:
    run.log(metrics, epoch=epoch)
    run.event("epoch_end", **{**metrics, "epoch": epoch})
    say(f"epoch {epoch}/{epochs} loss {metrics['loss']:.4f}")


def finish_stopped(run: Run, epoch: int) -> None:
    run.finish(message=f"stopped after epoch {epoch}, which is saved")


def write_whole(path: Path, write: Callable[[Path], object]) -> Path:
    """The name appears only when the file is whole."""
    part = path.with_name(f".{path.name}.part")
    write(part)
    return part.replace(path)


def leave(
    run: Run, metrics: Mapping[str, float], packages: Sequence[str], write: Callable[[Path], object]
) -> None:
    """Hands in the folder of the model, which `write` fills, with what it needs and reached."""
    folder = run.work_dir / "model"
    folder.mkdir(exist_ok=True)
    write(folder)
    _write(folder / "metrics.json", json.dumps(dict(metrics), indent=2))
    _write(folder / "requirements.txt", "\n".join(f"{name}=={_version(name)}" for name in packages))
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        run.artifact(path, f"model/{path.relative_to(folder).as_posix()}")


def of_validation(metrics: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in metrics.items() if name.startswith("val_")}


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _version(package: str) -> str:
    """Without the part that says how it was built, which no index knows."""
    return version(package).partition("+")[0]


def _write(path: Path, text: str) -> None:
    path.write_text(text + "\n", encoding="utf-8")
