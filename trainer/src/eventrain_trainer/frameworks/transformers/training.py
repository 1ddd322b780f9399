# pyright: reportMissingImports=false, reportUnknownParameterType=false, reportUntypedBaseClass=false
"""The training itself, which is Trainer's."""

import time
from pathlib import Path
from typing import Any

import torch
from transformers import Trainer, TrainerCallback, TrainingArguments, set_seed

import eventrain_trainer as et
from eventrain_trainer.frameworks import loop
from eventrain_trainer.frameworks.transformers import language, texts
from eventrain_trainer.frameworks.transformers.parameters import Parameters
from eventrain_trainer.integrations.transformers import EventrainCallback, resume_folder

REQUIREMENTS = ("eventrain-trainer", "safetensors", "tokenizers", "torch", "transformers")


class Paced(TrainerCallback):
    """Saves when it is time to, says each epoch on the screen, and makes it last."""

    def __init__(self, run: et.Run, parameters: Parameters) -> None:
        self._pace = loop.Pace(run, parameters.epoch_seconds)
        self._parameters = parameters
        self._began = 0.0

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._began = time.monotonic()

    def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> Any:
        self._pace.wait(self._began)
        if round(state.epoch) % self._parameters.checkpoint_every == 0:
            control.should_save = True
        return control

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        if logs and "loss" in logs:
            epoch, epochs = round(state.epoch), self._parameters.epochs
            loop.say(f"epoch {epoch}/{epochs} loss {float(logs['loss']):.4f}")


def train(run: et.Run, parameters: Parameters) -> int:
    if parameters.precision == "fp16" and not torch.cuda.is_available():
        raise ValueError("hyperparameters: precision: fp16 needs a GPU, and there is none here")
    set_seed(parameters.seed)
    ours, theirs = texts.split(
        texts.load(run.dataset()), parameters.validation_share, parameters.seed
    )
    base = run.model()
    model, tokenizer = language.load(base) if base else language.make(parameters, ours)
    if parameters.method == "lora":
        model = language.with_lora(model, parameters)
    callback = EventrainCallback(run)
    trainer = Trainer(
        model=model,
        args=_arguments(run, parameters),
        train_dataset=language.Blocks(ours, tokenizer, parameters.max_seq_len),
        eval_dataset=language.Blocks(theirs, tokenizer, parameters.max_seq_len),
        processing_class=tokenizer,
        callbacks=[Paced(run, parameters), callback],
    )
    trainer.train(resume_from_checkpoint=resume_folder(run))
    if callback.stopped:
        loop.finish_stopped(run, int(trainer.state.epoch or 0))
        return loop.STOPPED
    metrics = _last(trainer.state.log_history)
    loop.leave(run, metrics, REQUIREMENTS, lambda folder: _leave(trainer, tokenizer, folder))
    run.finish(metrics=metrics)
    return 0


def _arguments(run: et.Run, parameters: Parameters) -> TrainingArguments:
    return TrainingArguments(
        output_dir=str(run.work_dir / "trainer"),
        num_train_epochs=parameters.epochs,
        learning_rate=parameters.learning_rate,
        per_device_train_batch_size=parameters.batch_size,
        per_device_eval_batch_size=parameters.batch_size,
        lr_scheduler_type="cosine",
        seed=parameters.seed,
        bf16=parameters.precision == "bf16",
        fp16=parameters.precision == "fp16",
        use_cpu=not torch.cuda.is_available(),
        logging_strategy="epoch",
        eval_strategy="epoch",
        save_strategy="no",
        save_total_limit=2,
        report_to="none",
        disable_tqdm=True,
    )


def _leave(trainer: Trainer, tokenizer: Any, folder: Path) -> None:
    """Whole weights, whatever was trained of them."""
    model: Any = trainer.model
    whole = model.merge_and_unload() if hasattr(model, "merge_and_unload") else model
    whole.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _last(history: list[dict[str, Any]]) -> dict[str, float]:
    """What was told last of each."""
    wanted = ("loss", "eval_loss")
    told = {name: value for line in history for name, value in line.items()}
    return {name: float(told[name]) for name in wanted if name in told}
