# pyright: reportMissingImports=false, reportUnknownParameterType=false, reportUnknownLambdaType=false, reportUntypedBaseClass=false
"""The program that the runner starts for TRAINER_FRAMEWORK=lightning."""

import os
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

import eventrain_trainer as et
from eventrain_trainer.frameworks import drawn, loop, network, tabular
from eventrain_trainer.frameworks.lightning.module import Classifier, loaders
from eventrain_trainer.frameworks.lightning.parameters import Parameters
from eventrain_trainer.frameworks.network import Form
from eventrain_trainer.frameworks.tabular import Split
from eventrain_trainer.integrations.lightning import EventrainCallback, resume_path
from eventrain_trainer.settings import total_epochs

REQUIREMENTS = ("eventrain-trainer", "lightning", "numpy", "torch")
PRECISION: dict[str, Any] = {"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}


class Paced(Callback):
    """Says each epoch on the screen, and makes it last."""

    def __init__(self, run: et.Run, parameters: Parameters) -> None:
        self._pace = loop.Pace(run, parameters.epoch_seconds)
        self._epochs = parameters.epochs
        self._began = 0.0

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._began = time.monotonic()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._pace.wait(self._began)
        loss = float(trainer.callback_metrics["loss"])
        loop.say(f"epoch {trainer.current_epoch + 1}/{self._epochs} loss {loss:.4f}")


def main() -> int:
    run = et.start()
    parameters = Parameters.from_mapping(run.hyperparameters, total_epochs(os.environ))
    if parameters.precision == "fp16" and not torch.cuda.is_available():
        raise ValueError("hyperparameters: precision: fp16 needs a GPU, and there is none here")
    dataset = run.dataset()
    rows, labels = tabular.read(dataset, parameters.label) if dataset else drawn.digits(0)
    data = tabular.split(rows, labels, parameters.validation_share, parameters.seed)
    module = _begin(run, parameters, data)
    callback = EventrainCallback(
        run,
        checkpoint_every=parameters.checkpoint_every,
        within_epochs=False,
        confusion=lambda: (module.confusion, module.form.classes),
    )
    trainer = _trainer(run, parameters, [Paced(run, parameters), callback])
    trainer.fit(module, *loaders(data, module.form, parameters), ckpt_path=resume_path(run))
    if callback.stopped:
        loop.finish_stopped(run, trainer.current_epoch)
        return loop.STOPPED
    metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
    loop.leave(run, metrics, REQUIREMENTS, lambda folder: _leave(module, folder))
    run.finish(metrics=metrics)
    return 0


def _begin(run: et.Run, parameters: Parameters, data: Split) -> Classifier:
    form = Form(
        parameters.architecture,
        data.train_rows.shape[1],
        data.classes.tolist(),
        parameters.hidden_layers,
        parameters.dropout,
    )
    if path := run.model():
        known, base = network.load(path if path.is_file() else path / "model.pt")
        network.check_same_task(known, form)
        module = Classifier(known, parameters)
        module.network.load_state_dict(base.state_dict())
        return module
    return Classifier(form, parameters)


def _trainer(run: et.Run, parameters: Parameters, callbacks: list[Callback]) -> Trainer:
    warnings.filterwarnings("ignore", ".*does not have many workers.*")
    return Trainer(
        accelerator="auto",
        devices=1,
        max_epochs=parameters.epochs,
        precision=PRECISION[parameters.precision],
        callbacks=callbacks,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        default_root_dir=run.work_dir,
    )


def _leave(module: Classifier, folder: Path) -> None:
    network.leave(module.form, module.network, folder / "model.pt")


if __name__ == "__main__":
    sys.exit(main())
