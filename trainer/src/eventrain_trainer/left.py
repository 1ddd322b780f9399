"""The files that an attempt leaves behind, as its end tells of them."""

from collections.abc import Callable, Collection
from typing import Any

from eventrain_trainer.transfer import Stored

MODEL = "model/"
# As many as the control plane takes of one attempt.
MOST = 1_000


class Left:
    def __init__(self, warn: Callable[[str], None]) -> None:
        self._warn = warn
        self._stored: dict[str, Stored] = {}
        self._lost: set[str] = set()
        self.model_prefix = ""
        """The artifacts that are the model where none lies below `model/` itself."""

    def keep(self, name: str, found: Stored) -> None:
        self._stored[name] = found
        self._lost.discard(name)

    def lose(self, name: str) -> None:
        self._lost.add(name)

    def forget(self, name: str) -> None:
        self._stored.pop(name, None)
        self._lost.discard(name)

    def missing(self, underway: Collection[str]) -> list[str]:
        return sorted({*self._lost, *underway})

    def told(self) -> list[dict[str, Any]]:
        """The model first where there are more than can be told, and MLflow's last."""
        named = self._with_model(dict(self._stored))
        first = sorted(named, key=lambda name: (_rank(name), name))
        if len(first) > MOST:
            self._warn(f"only {MOST} of {len(first)} artifacts are told: pack them")
        return [
            {"name": name, "uri": found.uri, "sha256": found.sha256, "size": found.size}
            for name in sorted(first[:MOST])
            for found in [named[name]]
        ]

    def _with_model(self, named: dict[str, Stored]) -> dict[str, Stored]:
        prefix = self.model_prefix
        if not prefix or any(name.startswith(MODEL) for name in named):
            return named
        model = {
            MODEL + name.removeprefix(prefix): found
            for name, found in named.items()
            if name.startswith(prefix)
        }
        return named | model


def _rank(name: str) -> int:
    return 0 if name.startswith(MODEL) else 2 if name.startswith("mlflow/") else 1
