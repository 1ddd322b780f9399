"""Outside a job: what a run says goes to the screen, and what it saves stays where it is."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from eventrain_trainer.metric import Point
from eventrain_trainer.port import End, Saved, Source


class Console:
    def __init__(self, environ: Mapping[str, str], say: Callable[[str], None] = print) -> None:
        self._say = say
        self._sources: dict[Source, str] = {
            "dataset": environ.get("DATASET_URI", ""),
            "model": environ.get("MODEL_URI", ""),
        }
        self.stop = ""

    def observe(self, latest: Mapping[str, Any], points: Sequence[Point]) -> None:
        seen = [f"{name} {value}" for name, value in latest.items()]
        seen += [f"{point.name} {point.value:.6g}" for point in points]
        self._say(" · ".join(seen))

    def event(self, kind: str, payload: Mapping[str, Any]) -> None:
        self._say(f"{kind}: {', '.join(f'{k}={v}' for k, v in payload.items())}")

    def checkpoint(self, saved: Saved) -> None:
        self._say(f"checkpoint: {saved.path}")

    def artifact(self, path: Path, name: str) -> None:
        self._say(f"artifact {name}: {path}")

    def fetch(self, source: Source) -> Path | None:
        """A path of this machine, where the environment gives one."""
        given = self._sources.get(source, "")
        return Path(given) if given and Path(given).exists() else None

    def finish(self, end: End) -> None:
        told = [f"{name} {value:.6g}" for name, value in end.metrics.items()]
        self._say(" · ".join([end.outcome, *told] + ([end.message] if end.message else [])))

    def close(self) -> None:
        pass
