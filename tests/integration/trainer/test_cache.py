"""The cache that jobs on a node share, with processes that are really killed."""

import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from eventrain_trainer.addresses import TransferError
from eventrain_trainer.cache import Cache

MIB = 1 << 20
PATIENCE = 20.0

HOLDER = """
import sys, time
from pathlib import Path
from eventrain_trainer.cache import Cache

def make(path):
    path.write_bytes(b"half")
    print("making", flush=True)
    time.sleep({pause})
    path.write_bytes(b"x" * 1000)

found = Cache(Path(sys.argv[1]), 1 << 30).take("sha256-abc", 1000, make, 20)
print("holds", found, flush=True)
time.sleep(1000)
"""


def writing(size: int, made: list[str] | None = None) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        path.write_bytes(b"x" * size)
        if made is not None:
            made.append(path.name)

    return make


def refuse(path: Path) -> None:
    raise AssertionError(f"{path} was fetched again")


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def holder(folder: Path, pause: float) -> subprocess.Popen[str]:
    program = HOLDER.format(pause=pause)
    command = [sys.executable, "-c", program, str(folder)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def hears(process: subprocess.Popen[str], word: str) -> None:
    assert process.stdout is not None
    assert word in process.stdout.readline()


def end(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()


class TestTake:
    def test_fetches_once_for_all(self, tmp_path: Path) -> None:
        made: list[str] = []
        first = Cache(tmp_path, MIB).take("sha256-abc", 10, writing(10, made), PATIENCE)
        second = Cache(tmp_path, MIB).take("sha256-abc", 10, refuse, PATIENCE)
        assert made == ["sha256-abc"]
        assert first
        assert second
        assert second.read_bytes() == b"x" * 10
        assert first.samefile(second)

    def test_lets_nobody_write_into_it(self, tmp_path: Path) -> None:
        found = Cache(tmp_path, MIB).take("sha256-abc", 10, writing(10), PATIENCE)
        assert found
        assert found.stat().st_mode & 0o222 == 0

    def test_fetches_again_what_was_written_into(self, tmp_path: Path) -> None:
        found = Cache(tmp_path, MIB).take("sha256-abc", 10, writing(10), PATIENCE)
        assert found
        found.chmod(0o600)
        found.write_bytes(b"y" * 10)
        again = Cache(tmp_path, MIB).take("sha256-abc", 10, writing(10), PATIENCE)
        assert again
        assert again.read_bytes() == b"x" * 10

    def test_lets_two_at_once_fetch_one_time(self, tmp_path: Path) -> None:
        other = holder(tmp_path, 1.0)
        try:
            hears(other, "making")
            found = Cache(tmp_path, MIB).take("sha256-abc", 1000, refuse, PATIENCE)
            assert found
            assert found.read_bytes() == b"x" * 1000
        finally:
            end(other)

    def test_goes_on_where_one_was_killed_and_leaves_nothing_half(self, tmp_path: Path) -> None:
        other = holder(tmp_path, 1000.0)
        hears(other, "making")
        end(other)
        assert "sha256-abc" not in [path.name for path in (tmp_path / "entries").iterdir()]
        cache = Cache(tmp_path, MIB)
        found = cache.take("sha256-other", 10, writing(10), PATIENCE)
        assert found
        cache.close()
        assert files(tmp_path) == ["sha256-other"]

    def test_waits_no_longer_than_it_may_for_one_that_gets_nowhere(self, tmp_path: Path) -> None:
        other = holder(tmp_path, 1000.0)
        try:
            hears(other, "making")
            assert Cache(tmp_path, MIB).take("sha256-abc", 1000, refuse, 0.5) is None
        finally:
            end(other)

    def test_keeps_nothing_of_a_fetch_that_failed(self, tmp_path: Path) -> None:
        def fail(path: Path) -> None:
            path.write_bytes(b"half")
            raise TransferError("away")

        cache = Cache(tmp_path, MIB)
        with pytest.raises(TransferError):
            cache.take("sha256-abc", 10, fail, PATIENCE)
        cache.close()
        assert files(tmp_path) == []

    def test_is_done_without_where_it_cannot_be_written(self, tmp_path: Path) -> None:
        (tmp_path / "cache").write_text("no folder")
        warned: list[str] = []
        cache = Cache(tmp_path / "cache", MIB, warned.append)
        assert cache.take("sha256-abc", 10, refuse, PATIENCE) is None
        assert warned


class TestRoom:
    def test_evicts_what_was_used_least_recently(self, tmp_path: Path) -> None:
        for key in ("a", "b", "c"):
            cache = Cache(tmp_path, 300)
            assert cache.take(key, 100, writing(100), PATIENCE)
            cache.close()
        cache = Cache(tmp_path, 300)
        assert cache.take("a", 100, refuse, PATIENCE)
        cache.close()

        cache = Cache(tmp_path, 300)
        assert cache.take("d", 100, writing(100), PATIENCE)
        cache.close()

        assert files(tmp_path) == ["a", "c", "d"]

    def test_leaves_alone_what_a_living_job_uses(self, tmp_path: Path) -> None:
        other = holder(tmp_path, 0)
        try:
            hears(other, "making")
            hears(other, "holds")
            cache = Cache(tmp_path, 1500)
            assert cache.take("b", 1000, refuse, PATIENCE) is None
            assert cache.take("sha256-abc", 1000, refuse, PATIENCE)
            cache.close()
        finally:
            end(other)
        assert Cache(tmp_path, 1500).take("b", 1000, writing(1000), PATIENCE)
        assert "sha256-abc" not in files(tmp_path)

    def test_takes_nothing_that_is_larger_than_all_of_it(self, tmp_path: Path) -> None:
        assert Cache(tmp_path, 50).take("a", 100, refuse, PATIENCE) is None

    def test_holds_its_bound_whoever_comes_at_once(self, tmp_path: Path) -> None:
        def work(number: int) -> None:
            cache = Cache(tmp_path, 1000)
            for key in range(10):
                cache.take(f"{number}-{key}", 200, writing(200), PATIENCE)
                cache.close()

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        found = [path.stat() for path in tmp_path.rglob("*") if path.is_file()]
        assert sum({each.st_ino: each.st_size for each in found}.values()) <= 1000
