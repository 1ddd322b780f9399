# pyright: reportMissingImports=false, reportUnknownLambdaType=false
"""The training itself: one pass over the rows an epoch, everything it needs to go on kept."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import accuracy_score, log_loss
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from eventrain_trainer.frameworks.loop import write_whole
from eventrain_trainer.frameworks.sklearn.parameters import Parameters
from eventrain_trainer.frameworks.tabular import Split


@dataclass
class Training:
    """Model, scale of the features, order of the rows: pickled together, so that a resumed
    training goes on exactly where it was."""

    model: Any
    scaler: Any
    classes: Any
    order: np.random.Generator
    epoch: int = 0

    @classmethod
    def begin(cls, parameters: Parameters, data: Split) -> "Training":
        return cls(
            model=_model(parameters),
            scaler=StandardScaler().fit(data.train_rows),
            classes=data.classes,
            order=np.random.default_rng(parameters.seed),
        )

    @classmethod
    def load(cls, path: Path) -> "Training":
        found = joblib.load(path)
        if not isinstance(found, cls):
            raise TypeError(f"{path.name} is no checkpoint of this trainer")
        return found

    @classmethod
    def begin_from(cls, path: Path, parameters: Parameters) -> "Training":
        """Goes on from a model that `leave` wrote."""
        found = joblib.load(path)
        if not isinstance(found, Pipeline):
            raise TypeError(f"{path.name} is no model of this trainer")
        model = found.named_steps["model"]
        order = np.random.default_rng(parameters.seed)
        return cls(model, found.named_steps["scaler"], model.classes_, order)

    def save(self, path: Path) -> Path:
        return write_whole(path, lambda part: joblib.dump(self, part))

    def leave(self, path: Path) -> None:
        """The model alone, which scikit-learn loads without this package."""
        joblib.dump(Pipeline([("scaler", self.scaler), ("model", self.model)]), path)

    def check_fits(self, data: Split) -> None:
        features = data.train_rows.shape[1]
        same_classes = np.array_equal(self.classes, data.classes)
        if self.scaler.n_features_in_ != features or not same_classes:
            raise ValueError("the model to start from knows other features or classes")

    def run_epoch(self, data: Split, batch_size: int) -> None:
        rows = self.scaler.transform(data.train_rows)
        for batch in _batches(self.order.permutation(len(rows)), batch_size):
            if isinstance(self.model, MLPClassifier):
                self.model.set_params(batch_size=len(batch))
            self.model.partial_fit(rows[batch], data.train_labels[batch], classes=self.classes)
        self.epoch += 1

    def measure(self, data: Split) -> dict[str, float]:
        loss, accuracy = self._score(data.train_rows, data.train_labels)
        val_loss, val_accuracy = self._score(data.validation_rows, data.validation_labels)
        return {
            "loss": loss,
            "accuracy": accuracy,
            "val_loss": val_loss,
            "val_accuracy": val_accuracy,
        }

    def guess(self, rows: Any) -> Any:
        return self.classes[self._chances(rows).argmax(axis=1)]

    def _score(self, rows: Any, labels: Any) -> tuple[float, float]:
        chances = self._chances(rows)
        guesses = self.classes[chances.argmax(axis=1)]
        loss = log_loss(labels, chances, labels=self.classes)
        return float(loss), float(accuracy_score(labels, guesses))

    def _chances(self, rows: Any) -> Any:
        return self.model.predict_proba(self.scaler.transform(rows))


def _model(parameters: Parameters) -> Any:
    if parameters.architecture == "linear":
        return SGDClassifier(
            loss="log_loss",
            learning_rate="constant",
            eta0=parameters.learning_rate,
            random_state=parameters.seed,
        )
    return MLPClassifier(
        hidden_layer_sizes=parameters.hidden_layers,
        learning_rate_init=parameters.learning_rate,
        random_state=parameters.seed,
    )


def _batches(order: Any, size: int) -> Iterator[Any]:
    for start in range(0, len(order), size):
        yield order[start : start + size]
