"""The program that the runner starts for TRAINER_FRAMEWORK=timm."""

import os
import sys
import time

import eventrain_trainer as et
from eventrain_trainer.frameworks import loop, pictures, tabular
from eventrain_trainer.frameworks.timm.parameters import Parameters
from eventrain_trainer.frameworks.timm.training import Training
from eventrain_trainer.integrations.timm import EpochHook
from eventrain_trainer.settings import total_epochs

REQUIREMENTS = ("eventrain-trainer", "numpy", "pillow", "timm", "torch", "torchvision")


def main() -> int:
    run = et.start()
    parameters = Parameters.from_mapping(run.hyperparameters, total_epochs(os.environ))
    images, labels = pictures.load(run.dataset(), parameters.image_size)
    data = tabular.split(images, labels, parameters.validation_share, parameters.seed)
    training = Training(parameters, data)
    _resume(run, training)
    metrics = _train(run, training, parameters)
    if metrics is None:
        return loop.STOPPED
    run.validation(
        epoch=training.epoch,
        metrics=loop.of_validation(metrics),
        confusion_matrix=training.confusion,
        labels=training.classes,
    )
    loop.leave(run, metrics, REQUIREMENTS, lambda folder: training.leave(folder / "model.pth"))
    run.finish(metrics=metrics)
    return 0


def _resume(run: et.Run, training: Training) -> None:
    if resumed := run.resume():
        training.load(resumed.path)
        loop.say(f"resumed at epoch {training.epoch}")
    elif base := run.model():
        training.start_from(base if base.is_file() else base / "model.pth")


def _train(run: et.Run, training: Training, parameters: Parameters) -> dict[str, float] | None:
    """None when somebody asked it to stop; what it had learnt is then saved."""
    hook = EpochHook(run, epochs=parameters.epochs, checkpoint_every=parameters.checkpoint_every)
    pace = loop.Pace(run, parameters.epoch_seconds)
    metrics: dict[str, float] = {}
    while training.epoch < parameters.epochs:
        began = time.monotonic()
        trained, validated = training.run_epoch()
        metrics = trained | {f"val_{name}": value for name, value in validated.items()}
        loop.say(f"epoch {training.epoch}/{parameters.epochs} loss {trained['loss']:.4f}")
        pace.wait(began)
        saved = training.save(run.work_dir / "last.pth.tar")
        hook.end(training.epoch - 1, trained, validated, checkpoint=saved)
        if hook.should_stop:
            loop.finish_stopped(run, training.epoch)
            return None
    return metrics


if __name__ == "__main__":
    sys.exit(main())
