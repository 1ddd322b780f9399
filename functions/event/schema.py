"""What an event is answered with; what it says is in `common.jobs.told`."""

import msgspec


class Answer(msgspec.Struct):
    """The number that the event got; a repeat is answered with the first one's."""

    sequence: int
