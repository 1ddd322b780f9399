"""The program that the runner starts for TRAINER_FRAMEWORK=pytorch."""

import os
import sys
from pathlib import Path

import eventrain_trainer as et
from eventrain_trainer.frameworks import drawn, loop, network, tabular
from eventrain_trainer.frameworks.network import Form
from eventrain_trainer.frameworks.pytorch.parameters import Parameters
from eventrain_trainer.frameworks.pytorch.training import Training
from eventrain_trainer.frameworks.tabular import Split
from eventrain_trainer.settings import total_epochs

REQUIREMENTS = ("eventrain-trainer", "numpy", "torch")


def main() -> int:
    run = et.start()
    parameters = Parameters.from_mapping(run.hyperparameters, total_epochs(os.environ))
    dataset = run.dataset()
    rows, labels = tabular.read(dataset, parameters.label) if dataset else drawn.digits(0)
    data = tabular.split(rows, labels, parameters.validation_share, parameters.seed)
    training = _begin_or_resume(run, parameters, data)
    if not loop.train(run, training, parameters, ".pt"):
        return loop.STOPPED
    metrics = training.measure()
    run.validation(
        epoch=training.epoch,
        metrics=loop.of_validation(metrics),
        confusion_matrix=training.confusion(),
        labels=training.form.classes,
    )
    loop.leave(run, metrics, REQUIREMENTS, lambda folder: _leave(training, folder))
    run.finish(metrics=metrics)
    return 0


def _begin_or_resume(run: et.Run, parameters: Parameters, data: Split) -> Training:
    form = Form(
        parameters.architecture,
        data.train_rows.shape[1],
        data.classes.tolist(),
        parameters.hidden_layers,
        parameters.dropout,
    )
    resumed, base = run.resume(), None
    if resumed is None and (path := run.model()):
        known, base = network.load(path if path.is_file() else path / "model.pt")
        network.check_same_task(known, form)
        form = known
    training = Training(form, parameters, data)
    if base is not None:
        training.model.load_state_dict(base.state_dict())
    if resumed is not None:
        training.load(resumed.path)
        loop.say(f"resumed at epoch {training.epoch}")
    return training


def _leave(training: Training, folder: Path) -> None:
    network.leave(training.form, training.model, folder / "model.pt")


if __name__ == "__main__":
    sys.exit(main())
