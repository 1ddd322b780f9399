import json
import os
from pathlib import Path
from typing import Any

import pytest

from common.config_file import ConfigFile


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Kept:
    """A file, its reader, and how often it was parsed."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "config.json"
        self.path.write_text('{"v": 1}')
        self.clock = Clock()
        self.parsed = 0
        self.file = ConfigFile(self.path, self._parse, clock=self.clock)

    def _parse(self, content: bytes) -> Any:
        self.parsed += 1
        return json.loads(content)

    def write(self, text: str) -> None:
        other = self.path.with_suffix(".new")
        other.write_text(text)
        other.replace(self.path)

    def later(self) -> Any:
        self.clock.now += 1.0
        return self.file.current()


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return Kept(tmp_path)


class TestAConfigFile:
    def test_shows_a_new_version_within_a_second(self, kept: Kept) -> None:
        kept.write('{"v": 2}')
        kept.clock.now += 0.9
        assert kept.file.current() == {"v": 1}
        assert kept.later() == {"v": 2}

    def test_is_parsed_only_when_its_content_changed(self, kept: Kept) -> None:
        kept.write('{"v": 1}')
        assert kept.later() == {"v": 1}
        os.utime(kept.path, (9, 9))
        assert kept.later() == {"v": 1}
        assert kept.parsed == 1

    def test_keeps_the_version_before_a_broken_one_and_says_so_once(
        self, kept: Kept, caplog: pytest.LogCaptureFixture
    ) -> None:
        kept.write("{")
        assert [kept.later() for _ in range(3)] == [{"v": 1}] * 3
        assert [record.levelname for record in caplog.records] == ["ERROR"]
        kept.write('{"v": 3}')
        assert kept.later() == {"v": 3}

    def test_takes_back_the_version_before_when_it_returns(self, kept: Kept) -> None:
        kept.write("{")
        kept.later()
        kept.write('{"v": 1}')
        assert kept.later() == {"v": 1}

    def test_keeps_its_version_while_the_file_is_away(
        self, kept: Kept, caplog: pytest.LogCaptureFixture
    ) -> None:
        kept.path.unlink()
        assert [kept.later() for _ in range(3)] == [{"v": 1}] * 3
        assert len(caplog.records) == 1
        kept.write('{"v": 2}')
        assert kept.later() == {"v": 2}

    def test_follows_a_mounted_config_map_when_its_link_is_turned(self, tmp_path: Path) -> None:
        for version in (1, 2):
            folder = tmp_path / f"..{version}"
            folder.mkdir()
            (folder / "c.json").write_text(f'{{"v": {version}}}')
        link = tmp_path / "..data"
        link.symlink_to("..1")
        (tmp_path / "c.json").symlink_to("..data/c.json")
        clock = Clock()
        file = ConfigFile(tmp_path / "c.json", json.loads, clock=clock)
        turned = tmp_path / "..tmp"
        turned.symlink_to("..2")
        turned.replace(link)
        clock.now = 1.0
        assert file.current() == {"v": 2}

    def test_that_is_missing_at_the_start_is_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            ConfigFile(tmp_path / "none", json.loads)
