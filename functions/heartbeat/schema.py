"""What a heartbeat is answered with; what it says is in `common.jobs.told`."""

import msgspec

from common.jobs.beat import Command


class Answer(msgspec.Struct, rename="camel", omit_defaults=True):
    """What the trainer is to do, when to beat next, and a fresh token when it is time."""

    command: Command
    interval_seconds: float
    token: str | None = None
