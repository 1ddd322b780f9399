"""What a validation found, as it is told: metrics, a confusion matrix, metrics of each class."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from eventrain_trainer.metric import number, on_wire
from eventrain_trainer.text import clean

MOST_CLASSES = 100
LABEL_LIMIT = 200

Matrix = Iterable[Iterable[Any]]
PerClass = Mapping[Any, Mapping[str, Any]]


def compose(
    metrics: Mapping[str, Any] | None,
    matrix: Matrix | None,
    labels: Iterable[Any] | None,
    per_class: PerClass | None,
) -> dict[str, Any]:
    """The payload of a `validation` event. Raises ValueError or NotAMetric for what is none."""
    payload: dict[str, Any] = {}
    if metrics:
        payload["metrics"] = _numbers(metrics)
    names = None if labels is None else [clean(str(label), LABEL_LIMIT) for label in labels]
    if matrix is not None:
        payload["confusionMatrix"] = _square(matrix)
    if names is not None:
        _check_labels(names, payload.get("confusionMatrix"))
        payload["labels"] = names
    if per_class:
        payload["perClass"] = _per_class(per_class, names)
    if not payload.keys() - {"labels"}:
        raise ValueError("a validation says metrics, a confusion matrix or figures of each class")
    return payload


def _square(matrix: Matrix) -> list[list[float]]:
    rows = [[_cell(cell) for cell in row] for row in matrix]
    if not rows or any(len(row) != len(rows) for row in rows):
        raise ValueError(
            "a confusion matrix has as many columns as rows: a row for each true class"
        )
    _check_number_of_classes(len(rows))
    return rows


def _cell(cell: Any) -> float:
    value = number("a cell of the confusion matrix", cell)
    if not math.isfinite(value) or value < 0:
        raise ValueError("a confusion matrix counts: its cells are numbers from 0")
    return int(value) if value.is_integer() and value < 2**53 else value


def _check_labels(names: Sequence[str], matrix: Sequence[Any] | None) -> None:
    _check_number_of_classes(len(names))
    if not all(names) or len(set(names)) != len(names):
        raise ValueError("labels are texts, each another")
    if matrix is not None and len(matrix) != len(names):
        raise ValueError(f"{len(names)} labels do not name {len(matrix)} classes")


def _per_class(given: PerClass, names: Sequence[str] | None) -> dict[str, dict[str, float | str]]:
    _check_number_of_classes(len(given))
    found = {clean(str(name), LABEL_LIMIT): _numbers(figures) for name, figures in given.items()}
    if names is not None and (strange := found.keys() - set(names)):
        raise ValueError(f"figures of classes that are no labels: {', '.join(sorted(strange))}")
    return found


def _check_number_of_classes(found: int) -> None:
    if found > MOST_CLASSES:
        raise ValueError(f"{found} classes are more than {MOST_CLASSES}: tell metrics alone")


def _numbers(figures: Mapping[str, Any]) -> dict[str, float | str]:
    return {name: on_wire(number(name, value)) for name, value in figures.items()}
