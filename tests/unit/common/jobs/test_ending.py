"""What is shown of a trainer's last words."""

import pytest

from common.jobs.ending import headline

TRACEBACK = 'Traceback (most recent call last):\n  File "a.py", line 1\nKeyError: x\n'


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        (None, None),
        (" \n ", None),
        ("it broke", "it broke"),
        ("ValueError: no column\n  File 'a.py', line 1\n    raise", "ValueError: no column"),
        (TRACEBACK, "KeyError: x"),
    ],
)
def test_the_headline_is_the_line_that_says_what_is_wrong(
    message: str | None, shown: str | None
) -> None:
    assert headline(message) == shown
