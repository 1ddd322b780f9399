# pyright: reportMissingImports=false
"""Rows and labels: from a CSV or npz file, or the digits that scikit-learn brings."""

from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from eventrain_trainer.frameworks import tabular
from eventrain_trainer.frameworks.tabular import Split


def load(path: Path | None, label: str) -> tuple[Any, Any]:
    """Raises ValueError for a file that holds no table of numbers with a label."""
    if path is not None:
        return tabular.read(path, label)
    rows, labels = load_digits(return_X_y=True)
    return np.asarray(rows) / 16.0, labels


def split(rows: Any, labels: Any, share: float, seed: int) -> Split:
    _, counts = np.unique(labels, return_counts=True)
    if len(counts) < 2:
        raise ValueError("the dataset has fewer than two classes")
    fair = labels if counts.min() >= 2 and int(len(labels) * share) >= len(counts) else None
    train_rows, validation_rows, train_labels, validation_labels = train_test_split(
        rows, labels, test_size=share, random_state=seed, stratify=fair
    )
    return Split(train_rows, train_labels, validation_rows, validation_labels)
