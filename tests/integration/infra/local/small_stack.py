"""Runs a stack on a small clone and says what happens, a line each: clone, home, port."""

import asyncio
import sys
from pathlib import Path

from infra.local.problem import StackProblem
from infra.local.settings import StackSettings
from infra.local.stack import running


def say(word: str) -> None:
    print(word, flush=True)


async def main() -> int:
    clone, home, port = sys.argv[1:4]
    settings = StackSettings(home=Path(home), port=int(port), clone=Path(clone))
    try:
        async with running(settings, on_step=say) as stack:
            say(f"ready {stack.address}")
            await stack.wait_closed()
    except StackProblem as problem:
        say(f"{type(problem).__name__} {problem}")
        return 1
    say("stopped")
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
