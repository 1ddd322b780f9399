import io
import json
import logging
from collections.abc import Iterator
from contextvars import copy_context
from typing import Any

import pytest

from common import logs, trace


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.root
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    logs.configure("submit_job", "INFO", stream)
    yield stream
    root.handlers[:], root.level = handlers, level


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


class TestALine:
    def test_says_when_who_and_what(self, stream: io.StringIO) -> None:
        logging.getLogger("a.b").warning("it is %s", "late")
        (line,) = lines(stream)
        assert line.pop("time").endswith("+00:00")
        assert line == {
            "level": "warning",
            "logger": "a.b",
            "message": "it is late",
            "function": "submit_job",
        }

    def test_says_which_request_trace_and_job_it_belongs_to(self, stream: io.StringIO) -> None:
        def work() -> None:
            trace.request_id.set("r1")
            trace.job_id.set("j1")
            trace.parent.set(trace.parse(f"00-{'a' * 32}-{'b' * 16}-01"))
            logging.getLogger("x").info("hello")

        copy_context().run(work)
        (line,) = lines(stream)
        assert (line["request"], line["trace"], line["job"]) == ("r1", "a" * 32, "j1")

    def test_holds_a_traceback_and_stays_one_line(
        self, stream: io.StringIO, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # pytest's own handlers would carry half a character to where only whole ones may go.
        ours = [each for each in logging.root.handlers if getattr(each, "stream", None) is stream]
        monkeypatch.setattr(logging.root, "handlers", ours)
        try:
            raise ValueError("two\nlines \ud800")
        except ValueError:
            logging.getLogger("x").exception("failed")
        (line,) = lines(stream)
        assert "ValueError: two\nlines ?" in line["exception"]

    def test_is_not_written_below_the_level(self, stream: io.StringIO) -> None:
        logging.getLogger("x").debug("chatter")
        assert lines(stream) == []
