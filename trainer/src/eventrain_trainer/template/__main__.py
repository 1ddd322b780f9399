"""The program of mytrainer: it learns a straight line. Put your own training in its place."""

import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import eventrain_trainer as et

STOPPED = 143
BOUNDS = {
    "epochs": (1, 100_000),
    "learning_rate": (1e-6, 1.0),
    "checkpoint_every": (1, 100_000),
    "epoch_seconds": (0, 3600),
}
Rows = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Parameters:
    """As manifest.yaml describes them; names that are not here are left to others."""

    epochs: int = 20
    learning_rate: float = 0.1
    checkpoint_every: int = 2
    epoch_seconds: float = 0.1

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> "Parameters":
        """Raises ValueError, which ends the job as its submitter's to mend."""
        wrong: list[str] = []
        for name, (least, most) in BOUNDS.items():
            value = given.get(name, least)
            if not isinstance(value, int | float) or not least <= value <= most:
                wrong.append(f"{name} must be from {least} to {most}, not {value!r}")
        if wrong:
            raise ValueError("; ".join(wrong))
        return cls(**{name: given[name] for name in BOUNDS if name in given})


@dataclass
class Line:
    """What is learnt, with all that it takes to go on from here."""

    slope: float = 0.0
    height: float = 0.0
    epoch: int = 0

    @classmethod
    def load(cls, path: Path) -> "Line":
        return cls(**json.loads(path.read_text()))

    def save(self, path: Path) -> Path:
        """The name appears only when the file is whole."""
        part = path.with_suffix(".part")
        part.write_text(json.dumps(asdict(self)))
        return part.replace(path)

    def run_epoch(self, rows: Rows, rate: float) -> float:
        """One pass over the rows; the mean squared error before it."""
        errors = [(self.slope * x + self.height - y, x) for x, y in rows]
        self.slope -= rate * sum(2 * error * x for error, x in errors) / len(rows)
        self.height -= rate * sum(2 * error for error, _ in errors) / len(rows)
        self.epoch += 1
        return sum(error**2 for error, _ in errors) / len(rows)


def main() -> int:
    run = et.start()
    parameters = Parameters.of(run.hyperparameters)
    rows = read(run.dataset())
    resumed = run.resume()
    line = Line.load(resumed.path) if resumed else Line()
    folder = run.work_dir / "saved"
    folder.mkdir(exist_ok=True)

    run.progress(epoch=line.epoch, total_epochs=parameters.epochs)
    while line.epoch < parameters.epochs:
        loss = line.run_epoch(rows, parameters.learning_rate)
        run.log(epoch=line.epoch, loss=loss)
        stopping = run.should_stop
        if stopping or line.epoch % parameters.checkpoint_every == 0:
            path = line.save(folder / f"epoch-{line.epoch}.json")
            run.checkpoint(path, epoch=line.epoch, metrics={"loss": loss})
        if stopping:
            run.finish()
            return STOPPED
        time.sleep(parameters.epoch_seconds)

    run.artifact(line.save(folder / "model.json"), "model/model.json")
    run.finish()
    return 0


def read(dataset: Path | None) -> Rows:
    """The x and y of a CSV without a header; without a dataset, points on a line."""
    if dataset is None:
        return [(x / 10, 3 * x / 10 + 1) for x in range(-10, 11)]
    file = dataset if dataset.is_file() else next(dataset.rglob("*.csv"))
    cells = [line.split(",") for line in file.read_text().splitlines() if line.strip()]
    return [(float(x), float(y)) for x, y in cells]


if __name__ == "__main__":
    sys.exit(main())
