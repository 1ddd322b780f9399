"""Stands between the server and one container's process, and outlives the server.

    python -I -S shim.py FOLDER

FOLDER/launch says what to run. The shim leads a session of its own, publishes
FOLDER/running.json (its pid; it holds a lock on that file as long as it lives), runs the command
with exactly the environment given, hands on to it the signals that ask it to end (to it alone, as
a container's first process is the only one to hear them), writes FOLDER/exit.json, and ends what
the command left behind in its process group. A folder is run at most once: to publish running.json
is to claim it.

Each container pays for this program's start, of which imports were two thirds: it takes only what
the interpreter has loaded or built in. The server, which wrote FOLDER/launch, runs the same one.
"""
# ruff: noqa: PTH104, PTH108, PTH123

import fcntl
import marshal
import os
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from typing import Any
else:
    import _signal as signal

_early: list[int] = []
# Training takes what the functions and their database leave of this machine's cores.
_NICE = 5
_FORWARDED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)


def main(folder: str) -> int:
    os.chdir(folder)
    os.setsid()
    os.nice(_NICE)
    for each in _FORWARDED:
        # A handler, not "ignore": what is ignored here would be ignored by the command too.
        signal.signal(each, _stay)
    _redirect()
    if not _claim():
        return 1
    ended = _run(_take_launch())
    _write("exit.json", ended | {"finishedAt": time.time()})
    os.killpg(0, signal.SIGKILL)
    return 0


def _stay(number: int, _frame: object) -> None:
    _early.append(number)


def _redirect() -> None:
    null = os.open(os.devnull, os.O_RDONLY)
    log = os.open("log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.dup2(null, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)


def _claim() -> bool:
    draft = f"running.{os.getpid()}"
    held = os.open(draft, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(held, fcntl.LOCK_EX)
    os.write(held, _json({"pid": os.getpid(), "startedAt": time.time()}))
    try:
        os.link(draft, "running.json")
    except FileExistsError:
        return False
    finally:
        os.unlink(draft)
    return True


def _take_launch() -> "dict[str, Any]":
    with open("launch", "rb") as file:
        launch = marshal.load(file)
    os.unlink("launch")
    return launch


def _run(launch: "dict[str, Any]") -> "dict[str, Any]":
    argv = launch["argv"]
    try:
        os.chdir(launch["cwd"])
        pid = os.posix_spawn(launch["program"], argv, launch["env"])
    except (OSError, ValueError) as error:
        message = f'failed to start the container: exec: "{argv[0]}": {error}'
        return {"exitCode": 128, "reason": "StartError", "message": message}
    finally:
        os.chdir(launch["folder"])
    _hand_on_to(pid)
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    return {"exitCode": code if code >= 0 else 128 - code}


def _hand_on_to(pid: int) -> None:
    def hand_on(number: int, _frame: object = None) -> None:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return

    for each in _FORWARDED:
        signal.signal(each, hand_on)
    for number in _early:
        hand_on(number)


def _write(name: str, value: "dict[str, Any]") -> None:
    with open(f"{name}.draft", "wb") as file:
        file.write(_json(value))
    os.rename(f"{name}.draft", name)


def _json(value: "dict[str, Any]") -> bytes:
    if "message" not in value:
        numbers = ", ".join(f'"{name}": {each!r}' for name, each in value.items())
        return f"{{{numbers}}}".encode()
    import json

    return json.dumps(value).encode()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
