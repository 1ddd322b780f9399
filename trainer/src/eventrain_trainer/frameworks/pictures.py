# pyright: reportMissingImports=false, reportUnknownParameterType=false
"""Labelled pictures: a folder of each class, an npz file, or shapes drawn on the spot."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from eventrain_trainer.frameworks import drawn

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".webp"})


def load(path: Path | None, side: int) -> tuple[Any, Any]:
    """Pictures of three colours, 0 to 255 and `side` wide and high, and what each shows. Raises
    ValueError for a dataset that holds none."""
    if path is None:
        made = drawn.shapes(0, 400, side)
        return made.pictures, np.array(drawn.SHAPES)[made.labels]
    if path.is_dir() and (files := _labelled(path)):
        pictures = [_read(file, side) for file, _ in files]
        return np.stack(pictures), np.array([label for _, label in files])
    return _arrays(path, side)


def _labelled(folder: Path) -> list[tuple[Path, str]]:
    """Every picture, by the folder that it lies in."""
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    return [(file, file.parent.name) for file in files if file.parent != folder]


def _arrays(path: Path, side: int) -> tuple[Any, Any]:
    file = path if path.is_file() else next(iter(sorted(path.rglob("*.npz"))), None)
    if file is None or file.suffix != ".npz":
        raise ValueError("the dataset holds neither a folder of pictures for each class nor an npz")
    with np.load(file, allow_pickle=False) as arrays:
        if "X" not in arrays or "y" not in arrays or len(arrays["X"]) != len(arrays["y"]):
            raise ValueError(f"{file.name} must hold X and y of one length")
        pictures, labels = arrays["X"], arrays["y"]
    if pictures.dtype != np.uint8 or pictures.ndim not in (3, 4):
        raise ValueError(f"{file.name}: X must be pictures, whole numbers from 0 to 255")
    return np.stack([_fit(Image.fromarray(picture), side) for picture in pictures]), labels


def _read(file: Path, side: int) -> Any:
    with Image.open(file) as picture:
        return _fit(picture, side)


def _fit(picture: Image.Image, side: int) -> Any:
    return np.asarray(picture.convert("RGB").resize((side, side), Image.Resampling.BILINEAR))
