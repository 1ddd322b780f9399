"""A function as a target of the functions framework, for whoever serves it by the framework's own
command: `functions-framework --asgi --source functions/jobs/app.py --target main`.

`python -m common.serve` asks a function for its application instead, and imports no framework.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

Asgi = Callable[[Any, Any, Any], Awaitable[None]]


async def hand_over(request: Any, create_app: Callable[[Mapping[str, str]], Asgi]) -> Asgi:
    """The function's application, opened by the first request of the process. Raises
    SettingsError, and RuntimeError where it does not open: the next request tries again."""
    state = request.app.state
    opening = getattr(state, "opening", None)
    if opening is None or (opening.done() and opening.exception()):
        opening = state.opening = asyncio.ensure_future(_open(create_app(os.environ), state))
    return await asyncio.shield(opening)


async def _open(app: Asgi, state: Any) -> Asgi:
    """The framework knows no lifespan: here it begins, and ends with the process's loop."""
    told: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    told.put_nowait({"type": "lifespan.startup"})
    life = app({"type": "lifespan", "state": {}}, told.get, heard.put)
    state.life = asyncio.ensure_future(life)
    answer = await heard.get()
    if answer["type"] != "lifespan.startup.complete":
        raise RuntimeError(answer.get("message"))
    return app
