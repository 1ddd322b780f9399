"""Where this attempt goes on, told so that of what earlier ones measured nothing counts twice."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from eventrain_trainer.metric import Point
from eventrain_trainer.settings import Checkpoint

RESUMED = "attempt_resumed"
MOST_NAMES = 1_000


class Resumption:
    """The control plane takes it that an attempt goes on from the newest checkpoint. What is
    otherwise is told: the checkpoint was torn, or a metric begins again at an earlier step."""

    def __init__(
        self, known: Checkpoint | None, tell: Callable[[str, Mapping[str, Any]], None]
    ) -> None:
        self._known, self._tell = known, tell
        self._names: set[str] = set()

    def went_on(self, whole: bool) -> None:
        """The checkpoint is here, or it was not what it should be."""
        if self._known is None:
            return
        if not whole:
            self._tell(RESUMED, {"anew": True})
            return
        known = self._known
        self._tell(RESUMED, {"attempt": known.attempt, "step": known.step, "epoch": known.epoch})

    def note(self, points: Sequence[Point]) -> None:
        """Called with every point that is told: cheap where nothing is to be said."""
        if self._known is None or len(self._names) >= MOST_NAMES:
            return
        begins = {p.name: p.step for p in reversed(points) if p.name not in self._names}
        if not begins:
            return
        self._names |= begins.keys()
        upto = self._known.step if self._known.step is not None else self._known.epoch
        again = {name: step for name, step in begins.items() if upto is None or step <= upto}
        if again:
            self._tell(RESUMED, {"begins": again})
