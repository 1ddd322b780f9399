"""`python -m common.serve`: the entry point of every function.

FUNCTION_TARGET names the function, PORT and BIND_ADDRESS say where it listens. A function is a
target of the functions framework (`common/target.py`), and is served here without it: importing it
costs a cold start more than a hot function's whole import, its wrapper more than such a one's work.
"""

import asyncio
import gc
import importlib
import os
import signal
import sys
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any, NoReturn

import uvicorn

from common import logs
from common.environ import SettingsError

MISCONFIGURED = 78
DRAIN_SECONDS = 30


def main(environ: Mapping[str, str]) -> None:
    """Serve until told to stop; what is in flight then is finished first."""
    # What is imported stays: a tenth of a cold start was looking through it for garbage.
    gc.disable()
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _stop)
    target = environ.get("FUNCTION_TARGET", "").replace("-", "_")
    logs.configure(target, environ.get("LOG_LEVEL", "INFO").upper())
    try:
        app = load(target, environ)
    except SettingsError as wrong:
        _refuse(f"{target}: {wrong}")
    _calm_collector()
    server = uvicorn.Server(_config(app, environ))
    if hasattr(app, "drain"):
        server.handle_exit = _draining(server, app.drain)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(server.serve())
    if not server.started:
        sys.exit(1)


def load(target: str, environ: Mapping[str, str]) -> Any:
    """The ASGI application of this function. Raises SettingsError."""
    if not target.isidentifier():
        raise SettingsError(["FUNCTION_TARGET is not set to a function's name"])
    try:
        module = importlib.import_module(f"functions.{target}.app")
    except ModuleNotFoundError as wrong:
        if not f"functions.{target}.app".startswith(wrong.name or "?"):
            raise
        raise SettingsError([f"there is no function {target!r}"]) from None
    return module.create_app(environ)


def _config(app: Any, environ: Mapping[str, str]) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        host=environ.get("BIND_ADDRESS") or "0.0.0.0",
        port=_port(environ),
        http=getattr(app, "http", "httptools"),
        ws="none",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        lifespan="on",
        log_config=None,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )


def _port(environ: Mapping[str, str]) -> int:
    port = environ.get("PORT", "8080")
    if not port.isdigit() or int(port) > 65535:
        _refuse(f"PORT is {port!r}, which is no port")
    return int(port)


def _draining(server: uvicorn.Server, drain: Callable[[], None]) -> Any:
    """The server waits for answers under way: the application ends those that would not end."""
    leave = server.handle_exit

    def handle(sig: int, frame: FrameType | None) -> None:
        leave(sig, frame)
        asyncio.get_running_loop().call_soon_threadsafe(drain)

    return handle


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    if sys.platform == "win32":
        return None
    import uvloop

    return uvloop.new_event_loop


def _calm_collector() -> None:
    """What is loaded stays, and a request leaves hardly a cycle behind: both would be walked
    through again and again for nothing."""
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    gc.enable()


def _stop(signum: int, frame: object) -> NoReturn:
    # uvicorn raises the signal again once it has drained; that is the normal end.
    sys.exit(0)


def _refuse(reason: str) -> NoReturn:
    sys.stderr.write(f"{reason}\n")
    sys.exit(MISCONFIGURED)


if __name__ == "__main__":
    main(os.environ)
