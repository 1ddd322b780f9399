"""Texts to learn from: of a file, or sentences made on the spot."""

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

WHO = (
    "the trainer",
    "the control plane",
    "a heartbeat",
    "the scheduler",
    "a checkpoint",
    "the job",
)
DOES = ("waits for", "tells", "remembers", "starts", "never loses", "renews")
WHAT = ("its token", "the next epoch", "every metric", "the model", "its lease", "the last word")
WHEN = ("at night", "again and again", "without a sound", "before it stops", "once", "in order")


def load(path: Path | None) -> list[str]:
    """Raises ValueError for a file that holds no texts."""
    if path is None:
        return made(0)
    file = path if path.is_file() else _first(path)
    if file is None or file.suffix not in (".txt", ".jsonl"):
        raise ValueError("the dataset holds neither a .jsonl nor a .txt file")
    lines = [line for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    texts = lines if file.suffix == ".txt" else [_text(line, file.name) for line in lines]
    if len(texts) < 2:
        raise ValueError(f"{file.name} holds fewer than two texts")
    return texts


def made(seed: int, count: int = 600) -> list[str]:
    chance = random.Random(seed)
    parts: Sequence[Sequence[str]] = (WHO, DOES, WHAT, WHEN)
    return [" ".join(chance.choice(part) for part in parts) + "." for _ in range(count)]


def split(texts: Sequence[str], share: float, seed: int) -> tuple[list[str], list[str]]:
    """Those to learn from, and those to validate on; at least one of each."""
    order = list(texts)
    random.Random(seed).shuffle(order)
    kept = min(len(order) - 1, max(1, int(len(order) * share)))
    return order[kept:], order[:kept]


def _first(folder: Path) -> Path | None:
    found = [path for kind in ("*.jsonl", "*.txt") for path in sorted(folder.rglob(kind))]
    return found[0] if found else None


def _text(line: str, file: str) -> str:
    """`{"text"}`, or `{"prompt", "completion"}`, which belong together."""
    try:
        found: Any = json.loads(line)
    except ValueError as error:
        raise ValueError(f"{file}: a line is not JSON: {error}") from error
    row: dict[str, Any] = found if isinstance(found, dict) else {}
    parts = [
        row[name] for name in ("text", "prompt", "completion") if isinstance(row.get(name), str)
    ]
    if not parts:
        raise ValueError(f"{file}: a line has neither text nor prompt and completion: {line[:80]}")
    return " ".join(parts)
