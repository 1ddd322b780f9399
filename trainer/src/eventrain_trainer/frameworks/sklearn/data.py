# pyright: reportMissingImports=false
"""Rows and labels: from a CSV or npz file, or the digits that scikit-learn brings."""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

FEATURE_NAMES = ("X", "x", "data", "features")
LABEL_NAMES = ("y", "Y", "target", "labels")


@dataclass(frozen=True, slots=True)
class Split:
    train_rows: Any
    train_labels: Any
    validation_rows: Any
    validation_labels: Any

    @property
    def classes(self) -> Any:
        return np.unique(np.concatenate([self.train_labels, self.validation_labels]))


def load(path: Path | None, label: str) -> tuple[Any, Any]:
    """Raises ValueError for a file that holds no table of numbers with a label."""
    if path is None:
        rows, labels = load_digits(return_X_y=True)
        return np.asarray(rows) / 16.0, labels
    file = _table(path)
    return _read_npz(file, label) if file.suffix == ".npz" else _read_csv(file, label)


def split(rows: Any, labels: Any, share: float, seed: int) -> Split:
    _, counts = np.unique(labels, return_counts=True)
    if len(counts) < 2:
        raise ValueError("the dataset has fewer than two classes")
    fair = labels if counts.min() >= 2 and int(len(labels) * share) >= len(counts) else None
    train_rows, validation_rows, train_labels, validation_labels = train_test_split(
        rows, labels, test_size=share, random_state=seed, stratify=fair
    )
    return Split(train_rows, train_labels, validation_rows, validation_labels)


def _table(path: Path) -> Path:
    if path.is_file():
        return path
    found = sorted(file for kind in ("*.csv", "*.npz") for file in path.rglob(kind))
    if not found:
        raise ValueError("the dataset holds neither a .csv nor an .npz file")
    return found[0]


def _read_npz(file: Path, label: str) -> tuple[Any, Any]:
    with np.load(file, allow_pickle=False) as arrays:
        rows = next((arrays[name] for name in FEATURE_NAMES if name in arrays), None)
        names = (label,) if label else LABEL_NAMES
        labels = next((arrays[name] for name in names if name in arrays), None)
    if rows is None or labels is None or len(rows) != len(labels):
        raise ValueError(f"{file.name} must hold X and y of one length")
    return rows.reshape(len(rows), -1).astype(float), labels


def _read_csv(file: Path, label: str) -> tuple[Any, Any]:
    with file.open(newline="", encoding="utf-8-sig") as lines:
        table = csv.reader(lines)
        header = next(table, [])
        records = [record for record in table if record]
    name = label or ("label" if "label" in header else header[-1] if header else "")
    if name not in header or not records:
        raise ValueError(f"{file.name} has no rows with a column {name!r}: {', '.join(header)}")
    at = header.index(name)
    labels = np.array([record[at] for record in records])
    try:
        rows = np.array([record[:at] + record[at + 1 :] for record in records], dtype=float)
    except ValueError as error:
        raise ValueError(f"{file.name}: a feature is not a number: {error}") from error
    return rows, labels
