# pyright: reportMissingImports=false
"""scikit-learn: a loop for what learns bit by bit, and what a validation found.

    training = fit_epochs(run, SGDClassifier(), rows, labels, epochs=20, validation=(more, theirs))

`fit` of scikit-learn cannot be looked into or stopped: what has no `partial_fit` is told of when it
is fitted, by `tell_validation`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from sklearn.metrics import accuracy_score, confusion_matrix, precision_recall_fscore_support
from sklearn.utils.multiclass import unique_labels

from eventrain_trainer.run import Run
from eventrain_trainer.validation import MOST_CLASSES


@dataclass
class Fitted:
    """The model, how many epochs it saw, and the order in which it will see the next."""

    model: Any
    order: Any
    epoch: int = 0


def fit_epochs(
    run: Run,
    model: Any,
    rows: Any,
    labels: Any,
    *,
    epochs: int,
    batch_size: int = 64,
    seed: int = 0,
    checkpoint_every: int = 1,
    validation: tuple[Any, Any] | None = None,
) -> Fitted:
    """Trains a classifier that has `partial_fit`, from the newest checkpoint where there is one,
    until all epochs are over or somebody asks it to stop; what it had learnt is then saved.

    Each epoch is told with its score, and with what `validation`, rows and labels, shows of it."""
    fitted = _begin_or_resume(run, model, seed)
    run.progress(epoch=fitted.epoch, total_epochs=epochs)
    classes, stopping = np.unique(labels), False
    while fitted.epoch < epochs and not stopping:
        _run_epoch(fitted, rows, labels, classes, batch_size)
        metrics = {"score": float(fitted.model.score(rows, labels))}
        if validation is not None:
            guesses = fitted.model.predict(validation[0])
            metrics["val_score"] = float(accuracy_score(validation[1], guesses))
            tell_validation(run, validation[1], guesses, epoch=fitted.epoch)
        run.log(metrics, epoch=fitted.epoch)
        stopping = run.should_stop
        if stopping or fitted.epoch % checkpoint_every == 0:
            run.checkpoint(_save(run, fitted), epoch=fitted.epoch, metrics=metrics)
    return fitted


def tell_validation(
    run: Run,
    truth: Any,
    guesses: Any,
    *,
    epoch: int | None = None,
    metrics: Mapping[str, float] | None = None,
) -> None:
    """Confusion matrix, and precision, recall, f1 and support of each class; of more classes than
    a matrix may have, the metrics alone. Never raises."""
    try:
        found = {"accuracy": float(accuracy_score(truth, guesses)), **(metrics or {})}
        labels = unique_labels(truth, guesses)
        if len(labels) > MOST_CLASSES:
            run.validation(epoch=epoch, metrics=found)
            return
        figures = precision_recall_fscore_support(truth, guesses, labels=labels, zero_division=0.0)
        names = ("precision", "recall", "f1", "support")
        run.validation(
            epoch=epoch,
            metrics=found,
            confusion_matrix=confusion_matrix(truth, guesses, labels=labels),
            labels=labels,
            per_class={
                label: {name: column[at] for name, column in zip(names, figures, strict=True)}
                for at, label in enumerate(labels)
            },
        )
    except Exception as error:  # noqa: BLE001 telemetry never kills training
        run.warn(f"validation: {type(error).__name__}: {error}")


def _begin_or_resume(run: Run, model: Any, seed: int) -> Fitted:
    if resumed := run.resume():
        found = joblib.load(resumed.path)
        if not isinstance(found, Fitted) or type(found.model) is not type(model):
            raise TypeError(f"{resumed.path.name} is no checkpoint of this {type(model).__name__}")
        return found
    return Fitted(model, np.random.default_rng(seed))


def _run_epoch(fitted: Fitted, rows: Any, labels: Any, classes: Any, batch_size: int) -> None:
    order = fitted.order.permutation(len(labels))
    for start in range(0, len(order), batch_size):
        batch = order[start : start + batch_size]
        fitted.model.partial_fit(rows[batch], labels[batch], classes=classes)
    fitted.epoch += 1


def _save(run: Run, fitted: Fitted) -> Path:
    path = run.work_dir / f"epoch-{fitted.epoch}.joblib"
    part = path.with_name(f".{path.name}.part")
    joblib.dump(fitted, part)
    return part.replace(path)
