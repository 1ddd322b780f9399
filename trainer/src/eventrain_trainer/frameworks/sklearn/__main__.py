"""The program that the runner starts for TRAINER_FRAMEWORK=sklearn."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import eventrain_trainer as et
from eventrain_trainer.frameworks import loop
from eventrain_trainer.frameworks.sklearn.data import load, split
from eventrain_trainer.frameworks.sklearn.parameters import Parameters
from eventrain_trainer.frameworks.sklearn.training import Training
from eventrain_trainer.frameworks.tabular import Split
from eventrain_trainer.integrations.sklearn import tell_validation
from eventrain_trainer.settings import total_epochs

REQUIREMENTS = ("eventrain-trainer", "joblib", "numpy", "scikit-learn")


@dataclass
class Course:
    """The training on its data, as the loop takes it."""

    training: Training
    data: Split
    batch_size: int
    epoch: int = 0

    def __post_init__(self) -> None:
        self.epoch = self.training.epoch

    def run_epoch(self) -> Mapping[str, float]:
        self.training.run_epoch(self.data, self.batch_size)
        self.epoch = self.training.epoch
        return self.training.measure(self.data)

    def save(self, path: Path) -> Path:
        return self.training.save(path)


def main() -> int:
    run = et.start()
    parameters = Parameters.from_mapping(run.hyperparameters, total_epochs(os.environ))
    rows, labels = load(run.dataset(), parameters.label)
    data = split(rows, labels, parameters.validation_share, parameters.seed)
    training = _begin_or_resume(run, parameters, data)
    if not loop.train(run, Course(training, data, parameters.batch_size), parameters, ".joblib"):
        return loop.STOPPED
    metrics = training.measure(data)
    tell_validation(
        run,
        data.validation_labels,
        training.guess(data.validation_rows),
        epoch=training.epoch,
        metrics=loop.of_validation(metrics),
    )
    loop.leave(run, metrics, REQUIREMENTS, lambda folder: training.leave(folder / "model.joblib"))
    run.finish(metrics=metrics)
    return 0


def _begin_or_resume(run: et.Run, parameters: Parameters, data: Split) -> Training:
    if resumed := run.resume():
        training = Training.load(resumed.path)
        loop.say(f"resumed at epoch {training.epoch}")
    elif base := run.model():
        file = base if base.is_file() else base / "model.joblib"
        training = Training.begin_from(file, parameters)
    else:
        return Training.begin(parameters, data)
    training.check_fits(data)
    return training


if __name__ == "__main__":
    sys.exit(main())
