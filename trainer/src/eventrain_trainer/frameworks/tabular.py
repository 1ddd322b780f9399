# pyright: reportMissingImports=false
"""Rows of numbers with a label each, from a CSV or npz file, and a part of them to validate on."""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

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


def read(path: Path, label: str) -> tuple[Any, Any]:
    """Raises ValueError for a file that holds no table of numbers with a label."""
    file = find(path, ".csv", ".npz")
    return _read_npz(file, label) if file.suffix == ".npz" else _read_csv(file, label)


def find(path: Path, *suffixes: str) -> Path:
    """The file itself, or the first of these kinds in the folder. Raises ValueError."""
    if path.is_file():
        return path
    for suffix in suffixes:
        if found := sorted(path.rglob(f"*{suffix}")):
            return found[0]
    raise ValueError(f"the dataset holds no file of the kinds {', '.join(suffixes)}")


def split(rows: Any, labels: Any, share: float, seed: int) -> Split:
    """Of every class the same share, by chance. Raises ValueError for fewer than two classes."""
    classes, counts = np.unique(labels, return_counts=True)
    if len(classes) < 2:
        raise ValueError("the dataset has fewer than two classes")
    chance = np.random.default_rng(seed)
    kept = np.zeros(len(labels), dtype=bool)
    for name, count in zip(classes, counts, strict=True):
        ours = np.flatnonzero(labels == name)
        kept[chance.permutation(ours)[: int(count * share)]] = True
    if not kept.any():
        kept[chance.integers(len(labels))] = True
    return Split(rows[~kept], labels[~kept], rows[kept], labels[kept])


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
