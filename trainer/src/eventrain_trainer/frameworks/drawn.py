# pyright: reportMissingImports=false
"""Pictures made on the spot, for a training that was given no dataset: digits and shapes."""

from dataclasses import dataclass
from typing import Any

import numpy as np

# Five columns and seven rows each, a line a digit.
DIGITS = (
    "01110 10001 10011 10101 11001 10001 01110",
    "00100 01100 00100 00100 00100 00100 01110",
    "01110 10001 00001 00110 01000 10000 11111",
    "11111 00010 00100 00010 00001 10001 01110",
    "00010 00110 01010 10010 11111 00010 00010",
    "11111 10000 11110 00001 00001 10001 01110",
    "00110 01000 10000 11110 10001 10001 01110",
    "11111 00001 00010 00100 01000 01000 01000",
    "01110 10001 10001 01110 10001 10001 01110",
    "01110 10001 10001 01111 00001 00010 01100",
)
SHAPES = ("circle", "square", "triangle", "cross")


@dataclass(frozen=True, slots=True)
class Drawn:
    """Pictures, what each shows, and where: the middle and the size, as shares of the side."""

    pictures: Any
    labels: Any
    boxes: Any


def digits(seed: int, count: int = 1500, side: int = 8) -> tuple[Any, Any]:
    """Rows of grey values from 0 to 1, moved about and noisy, and the digit that each shows."""
    chance = np.random.default_rng(seed)
    glyphs = [np.array([[int(dot) for dot in row] for row in one.split()]) for one in DIGITS]
    labels = chance.integers(len(DIGITS), size=count)
    pictures = chance.random((count, side, side)) * 0.25
    for picture, label in zip(pictures, labels, strict=True):
        down, right = chance.integers(side - 6), chance.integers(side - 4)
        ink = 0.5 + 0.5 * chance.random((7, 5))
        picture[down : down + 7, right : right + 5] += glyphs[label] * ink
    return pictures.clip(0.0, 1.0).reshape(count, -1), labels


def shapes(seed: int, count: int, side: int) -> Drawn:
    """Pictures of three colours, 0 to 255, a shape in each."""
    chance = np.random.default_rng(seed)
    labels = chance.integers(len(SHAPES), size=count)
    pictures = chance.integers(0, 60, size=(count, side, side, 3), dtype=np.uint8)
    sizes = chance.uniform(0.35, 0.6, size=count)
    middles = np.stack([chance.uniform(size / 2, 1 - size / 2, 2) for size in sizes])
    for at in range(count):
        inside = _inside(SHAPES[labels[at]], middles[at] * side, sizes[at] * side / 2, side)
        pictures[at][inside] = chance.integers(120, 256, size=3)
    return Drawn(pictures, labels, np.column_stack([middles, sizes, sizes]))


def _inside(shape: str, middle: Any, half: float, side: int) -> Any:
    down, right = np.mgrid[0:side, 0:side]
    x, y = (right + 0.5 - middle[0]) / half, (down + 0.5 - middle[1]) / half
    if shape == "circle":
        return x**2 + y**2 <= 1
    if shape == "square":
        return np.maximum(abs(x), abs(y)) <= 1
    if shape == "triangle":
        return (abs(y) <= 1) & (2 * abs(x) <= y + 1)
    return (np.minimum(abs(x), abs(y)) <= 0.3) & (np.maximum(abs(x), abs(y)) <= 1)
