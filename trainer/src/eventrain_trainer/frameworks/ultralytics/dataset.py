# pyright: reportMissingImports=false
"""What Ultralytics reads: folders of pictures, the job's own or of shapes that are drawn on the
spot."""

import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from eventrain_trainer.frameworks import drawn
from eventrain_trainer.frameworks.pictures import SUFFIXES
from eventrain_trainer.frameworks.ultralytics.parameters import Parameters

COUNT = 240


def prepare(given: Path | None, parameters: Parameters, folder: Path) -> Path:
    """What `train(data=...)` takes. Raises ValueError for a dataset that is not for the task."""
    shutil.rmtree(folder, ignore_errors=True)
    if parameters.architecture == "detect":
        return _draw_boxes(parameters, folder) if given is None else _description(given)
    if given is None:
        return _split(_draw(parameters, folder / "drawn"), parameters, folder / "split")
    if (given / "train").is_dir() and (given / "val").is_dir():
        return given
    return _split(given, parameters, folder / "split")


def _description(given: Path) -> Path:
    """Of a detection: a YAML file that names the folders and classes."""
    found = sorted(path for kind in ("*.yaml", "*.yml") for path in given.rglob(kind))
    if given.is_file() or not found:
        raise ValueError("detect needs a dataset with a data.yaml that names folders and classes")
    return found[0]


def _split(given: Path, parameters: Parameters, folder: Path) -> Path:
    """A folder of each class becomes a part to learn from and one to validate on."""
    chance = random.Random(parameters.seed)
    classes = sorted(path for path in given.iterdir() if path.is_dir()) if given.is_dir() else []
    for each in classes:
        files = sorted(path for path in each.rglob("*") if path.suffix.lower() in SUFFIXES)
        chance.shuffle(files)
        kept = max(1, int(len(files) * parameters.validation_share))
        for part, ours in (("val", files[:kept]), ("train", files[kept:])):
            target = folder / part / each.name
            target.mkdir(parents=True)
            for at, file in enumerate(ours):
                (target / f"{at}{file.suffix.lower()}").symlink_to(file.resolve())
    if len(classes) < 2:
        raise ValueError("classify needs a dataset with a folder of pictures for each class")
    return folder


def _draw(parameters: Parameters, folder: Path) -> Path:
    made = drawn.shapes(0, COUNT, parameters.image_size)
    for at, (picture, label) in enumerate(zip(made.pictures, made.labels, strict=True)):
        _save(picture, folder / drawn.SHAPES[label] / f"{at}.png")
    return folder


def _draw_boxes(parameters: Parameters, folder: Path) -> Path:
    made = drawn.shapes(0, COUNT, parameters.image_size)
    kept = int(COUNT * parameters.validation_share) or 1
    for at, picture in enumerate(made.pictures):
        part = "val" if at < kept else "train"
        _save(picture, folder / "images" / part / f"{at}.png")
        text = folder / "labels" / part / f"{at}.txt"
        text.parent.mkdir(parents=True, exist_ok=True)
        box = " ".join(f"{number:.6f}" for number in made.boxes[at])
        text.write_text(f"{made.labels[at]} {box}\n")
    names = "".join(f"  {at}: {name}\n" for at, name in enumerate(drawn.SHAPES))
    description = folder / "data.yaml"
    description.write_text(f"path: {folder}\ntrain: images/train\nval: images/val\nnames:\n{names}")
    return description


def _save(picture: Any, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(picture, dtype=np.uint8)).save(path)
