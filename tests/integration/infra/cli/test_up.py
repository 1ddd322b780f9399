from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

UP = [sys.executable, "-m", "infra.cli", "up", "--json"]


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture
def stack(tmp_path: Path, port: int) -> Iterator[subprocess.Popen[str]]:
    command = [*UP, "--home", str(tmp_path / "home"), "--port", str(port)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        yield process
        process.kill()


class TestUp:
    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_says_where_it_answers_and_leaves_no_process(
        self, stack: subprocess.Popen[str], port: int, number: signal.Signals
    ) -> None:
        assert stack.stdout is not None
        told = json.loads(stack.stdout.readline())
        assert told["address"] == f"http://127.0.0.1:{port}"
        started = psutil.Process(stack.pid).children(recursive=True)
        stack.send_signal(number)
        assert stack.wait(timeout=30) == 0
        assert started
        assert not [process for process in started if process.is_running()]

    def test_says_in_a_sentence_that_its_port_is_taken(self, tmp_path: Path) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            number = str(taken.getsockname()[1])
            command = [*UP, "--home", str(tmp_path / "home"), "--port", number]
            ended = subprocess.run(command, capture_output=True, text=True, check=False)
        assert ended.returncode == 1
        assert f"Port {number} is taken" in ended.stderr
        assert "Traceback" not in ended.stderr
