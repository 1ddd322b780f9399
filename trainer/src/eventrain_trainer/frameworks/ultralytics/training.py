# pyright: reportMissingImports=false
"""The training itself, which is Ultralytics' own."""

import shutil
import time
from pathlib import Path
from typing import Any

import torch
from ultralytics import YOLO, settings

import eventrain_trainer as et
from eventrain_trainer.frameworks import loop
from eventrain_trainer.frameworks.ultralytics import dataset
from eventrain_trainer.frameworks.ultralytics.parameters import Parameters
from eventrain_trainer.integrations.quiet import numbers
from eventrain_trainer.integrations.ultralytics import attach

REQUIREMENTS = (
    "eventrain-trainer",
    "numpy",
    "torch",
    "torchvision",
    "ultralytics-opencv-headless",
)


class Paced:
    """Says each epoch on the screen, and makes it last."""

    def __init__(self, run: et.Run, parameters: Parameters) -> None:
        self._pace = loop.Pace(run, parameters.epoch_seconds)
        self._epochs = parameters.epochs
        self._began: float | None = None
        self.epoch = 0
        self.metrics: dict[str, float] = {}

    def start_epoch(self, trainer: Any) -> None:
        self._began = time.monotonic()

    def end_epoch(self, trainer: Any) -> None:
        if self._began is None:  # it validates the best weights, which is no epoch
            return
        self.epoch = trainer.epoch + 1
        loss = sum(numbers(trainer.label_loss_items(trainer.tloss)).values())
        self.metrics = {"loss": loss, **numbers(trainer.metrics)}
        loop.say(f"epoch {self.epoch}/{self._epochs} loss {loss:.4f}")
        self._pace.wait(self._began)
        self._began = None


def train(run: et.Run, parameters: Parameters) -> int:
    # Its own words to MLflow would make a second run of this one, with the files once more.
    settings.update({"mlflow": False})
    work = run.work_dir.resolve()
    data = dataset.prepare(run.dataset(), parameters, work / "dataset")
    resumed = run.resume()
    paced = Paced(run, parameters)
    best = work / "yolo" / "weights" / "best.pt"
    if resumed and (resumed.epoch or 0) >= parameters.epochs:
        best = resumed.path
    else:
        model = _model(run, parameters)
        model.add_callback("on_train_epoch_start", paced.start_epoch)
        model.add_callback("on_fit_epoch_end", paced.end_epoch)
        attach(model, run, checkpoint_every=parameters.checkpoint_every)
        model.train(
            data=data, resume=str(resumed.path) if resumed else False, **_asked(parameters, work)
        )
    if paced.epoch < parameters.epochs and run.should_stop:
        loop.finish_stopped(run, paced.epoch)
        return loop.STOPPED
    loop.leave(run, paced.metrics, REQUIREMENTS, lambda folder: _leave(best, folder))
    run.finish(metrics=paced.metrics)
    return 0


def _model(run: et.Run, parameters: Parameters) -> Any:
    """From an earlier result, or from its description: no weights are fetched."""
    if base := run.model():
        return YOLO(base if base.is_file() else base / "best.pt")
    suffix = "-cls" if parameters.architecture == "classify" else ""
    return YOLO(f"yolo11{parameters.scale}{suffix}.yaml", task=parameters.architecture)


def _asked(parameters: Parameters, work: Path) -> dict[str, Any]:
    """Without what it would fetch: fonts for its plots, weights to try mixed precision with."""
    return {
        "epochs": parameters.epochs,
        "imgsz": parameters.image_size,
        "batch": parameters.batch_size,
        # Else it steps only when it has seen 64 pictures.
        "nbs": parameters.batch_size,
        "lr0": parameters.learning_rate,
        "lrf": 0.05,
        "optimizer": "AdamW",
        "warmup_epochs": 0,
        "patience": 0,
        "erasing": 0.0,
        "auto_augment": None,
        "scale": 0.2,
        "mosaic": 0.0,
        "seed": parameters.seed,
        "device": 0 if torch.cuda.is_available() else "cpu",
        "workers": 0,
        "save_dir": str(work / "yolo"),
        "exist_ok": True,
        "amp": False,
        "plots": False,
        "verbose": False,
    }


def _leave(best: Path, folder: Path) -> None:
    shutil.copyfile(best, folder / "best.pt")
