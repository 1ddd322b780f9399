"""Ctrl-C and SIGTERM: the first asks, the second insists."""

import asyncio
import contextlib
import signal
import threading
from collections.abc import Callable, Generator

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def listening(ask: Callable[[], None], insist: Callable[[], None]) -> Generator[None]:
    """Only the main thread hears signals; elsewhere this does nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    steps = iter((ask,))
    for number in SIGNALS:
        loop.add_signal_handler(number, lambda: next(steps, insist)())
    try:
        yield
    finally:
        for number in SIGNALS:
            loop.remove_signal_handler(number)
