# pyright: reportMissingImports=false
"""The program that the runner starts for TRAINER_FRAMEWORK=sklearn."""

import json
import os
import sys
import time
from importlib.metadata import version
from pathlib import Path

import eventrain_trainer as et
from eventrain_trainer.frameworks.sklearn.data import Split, load, split
from eventrain_trainer.frameworks.sklearn.parameters import Parameters
from eventrain_trainer.frameworks.sklearn.training import Training
from eventrain_trainer.settings import total_epochs

STOPPED = 143
REQUIREMENTS = ("eventrain-trainer", "joblib", "numpy", "scikit-learn")


def main() -> int:
    run = et.start()
    parameters = Parameters.from_mapping(run.hyperparameters, total_epochs(os.environ))
    rows, labels = load(run.dataset(), parameters.label)
    data = split(rows, labels, parameters.validation_share, parameters.seed)
    training = _begin_or_resume(run, parameters, data)
    run.progress(epoch=training.epoch, total_epochs=parameters.epochs)
    if not _train(run, training, parameters, data):
        return STOPPED
    metrics = training.measure(data)
    _leave(run, training, metrics)
    run.finish(metrics=metrics)
    return 0


def _begin_or_resume(run: et.Run, parameters: Parameters, data: Split) -> Training:
    if resumed := run.resume():
        training = Training.load(resumed.path)
        _say(f"resumed at epoch {training.epoch}")
    elif base := run.model():
        file = base if base.is_file() else base / "model.joblib"
        training = Training.begin_from(file, parameters)
    else:
        return Training.begin(parameters, data)
    training.check_fits(data)
    return training


def _train(run: et.Run, training: Training, parameters: Parameters, data: Split) -> bool:
    """False when somebody asked it to stop; what it had learnt is then saved."""
    while training.epoch < parameters.epochs:
        began = time.monotonic()
        training.run_epoch(data, parameters.batch_size)
        metrics = training.measure(data)
        run.log(metrics, epoch=training.epoch)
        run.event("epoch_end", epoch=training.epoch, **metrics)
        _say(f"epoch {training.epoch}/{parameters.epochs} loss {metrics['loss']:.4f}")
        _wait(run, began + parameters.epoch_seconds)
        if run.should_stop:
            _save(run, training, metrics)
            run.finish(message=f"stopped after epoch {training.epoch}, which is saved")
            return False
        if training.epoch % parameters.checkpoint_every == 0:
            _save(run, training, metrics)
    return True


def _wait(run: et.Run, until: float) -> None:
    while not run.should_stop and (rest := until - time.monotonic()) > 0:
        time.sleep(min(rest, 0.1))


def _save(run: et.Run, training: Training, metrics: dict[str, float]) -> None:
    path = training.save(run.work_dir / f"epoch-{training.epoch}.joblib")
    run.checkpoint(path, epoch=training.epoch, metrics=metrics)


def _leave(run: et.Run, training: Training, metrics: dict[str, float]) -> None:
    folder = run.work_dir / "model"
    folder.mkdir(exist_ok=True)
    _write(folder / "metrics.json", json.dumps(metrics, indent=2))
    _write(folder / "requirements.txt", "\n".join(f"{n}=={version(n)}" for n in REQUIREMENTS))
    training.leave(folder / "model.joblib")
    for name in ("model.joblib", "metrics.json", "requirements.txt"):
        run.artifact(folder / name, f"model/{name}")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _write(path: Path, text: str) -> None:
    path.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
