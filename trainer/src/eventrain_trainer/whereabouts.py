"""Where a training is, as far as it has said."""

from collections.abc import Callable
from typing import Any

from eventrain_trainer.metric import count


class Whereabouts:
    def __init__(self, warn: Callable[[str], None]) -> None:
        self._warn = warn
        self._calls = 0
        self.epoch: int | None = None
        self.step: int | None = None

    @property
    def position(self) -> int:
        """The step, or the epoch where no step was ever told, or how often something was."""
        if self.step is not None:
            return self.step
        return self.epoch if self.epoch is not None else self._calls

    def go_on_from(self, step: int | None, epoch: int | None) -> None:
        """What is told before the program says where it is lies where the checkpoint was saved."""
        if epoch is None:
            self._calls = step or 0
        else:
            self.step, self.epoch = step, epoch

    def take(self, named: dict[str, Any]) -> dict[str, Any]:
        """Takes `epoch` and `step` out of what was told, and says what is new of them."""
        self._calls += 1
        latest: dict[str, Any] = {}
        epoch, step = named.pop("epoch", None), named.pop("step", None)
        if epoch is not None and (whole := self._count("epoch", epoch)) is not None:
            latest["epoch"] = self.epoch = whole
        if step is not None and (whole := self._count("step", step)) is not None:
            latest["step"] = self.step = whole
        return latest

    def _count(self, name: str, value: Any) -> int | None:
        try:
            return count(value)
        except (TypeError, ValueError, OverflowError):
            self._warn(f"{name} is no count")
            return None
