"""Keys that tell a mock what to do, in a terminal."""

import select
import sys
import termios
import time
import tty
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

from eventrain_trainer.mock import control

if TYPE_CHECKING:
    from eventrain_trainer.mock.plane import ControlPlane

KEYS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "u": ("up again, uploads too", {"calls": "up", "uploads": "kept"}),
    "a": ("away: 503", {"calls": "away"}),
    "b": ("broken: 500", {"calls": "broken"}),
    "r": ("refuse connections", {"calls": "refused"}),
    "x": ("cut connections instead of answering", {"calls": "cut"}),
    "l": ("late answers", {"calls": "slow"}),
    "i": ("silent: no answers", {"calls": "silent"}),
    "p": ("uploads are refused", {"uploads": "refused"}),
    "o": ("uploads are lost", {"uploads": "lost"}),
    "s": ("ask to stop", {"stop": "stop"}),
    "c": ("ask to save and stop", {"stop": "checkpoint_and_stop"}),
    "n": ("a next attempt: this one is stale", {"attempt": "next"}),
    "t": ("renew tokens", {"tokens": "renew"}),
    "e": ("expire tokens", {"tokens": "expire"}),
}
HELP = "Keys: ? says which, q ends it."


class Keys:
    """Nothing happens where there is no terminal: then HTTP is the way."""

    def __init__(self, plane: "ControlPlane") -> None:
        self._plane = plane
        self._terminal = sys.stdin.isatty()
        self.quit = False

    def __enter__(self) -> Self:
        if self._terminal:
            self._before = termios.tcgetattr(sys.stdin)
            tty.setcbreak(sys.stdin)
        return self

    def __exit__(self, *_: object) -> None:
        if self._terminal:
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, self._before)

    def hear(self, seconds: float) -> None:
        """Obeys one key, or returns when the time is over."""
        if not self._terminal:
            time.sleep(seconds)
            return
        ready, _, _ = select.select([sys.stdin], [], [], seconds)
        if ready:
            self.press(sys.stdin.read(1))

    def press(self, key: str) -> None:
        if key in ("q", ""):
            self.quit = True
        elif key in KEYS:
            control.tell(self._plane, KEYS[key][1])
        else:
            sys.stdout.write("".join(f"  {k}  {what}\n" for k, (what, _) in KEYS.items()))
            sys.stdout.flush()
