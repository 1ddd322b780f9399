"""Only files and folders come out of an archive, below one folder, and only so much."""

import gzip
from pathlib import Path

import pytest
from eventrain_trainer.archive import ALWAYS_ALLOWED, MOST_ENTRIES, BadArchive, unpack

from tests.archives import HOSTILE, archive, bomb, file


def unpacked(tmp_path: Path, content: bytes) -> Path:
    packed = tmp_path / "code.tar.gz"
    packed.write_bytes(content)
    unpack(packed, tmp_path / "code")
    return tmp_path / "code"


class TestUnpack:
    def test_finds_files_and_folders_as_they_were(self, tmp_path: Path) -> None:
        content = archive(
            file("train.py", b"print()", mode=0o600),
            file("./deep/er/run.sh", b"#!/bin/sh", mode=0o755),
            file("empty/", type=b"5"),
        )
        code = unpacked(tmp_path, content)

        assert (code / "train.py").read_bytes() == b"print()"
        assert (code / "train.py").stat().st_mode & 0o777 == 0o644
        assert (code / "deep/er/run.sh").stat().st_mode & 0o777 == 0o755
        assert (code / "empty").is_dir()

    @pytest.mark.parametrize(
        ("content", "reason"), [each[1:] for each in HOSTILE], ids=[each[0] for each in HOSTILE]
    )
    def test_refuses_what_is_hostile(self, tmp_path: Path, content: bytes, reason: str) -> None:
        with pytest.raises(BadArchive, match=reason):
            unpacked(tmp_path, content)
        assert {path.name for path in tmp_path.iterdir()} <= {"code.tar.gz", "code"}
        assert not any(path.is_symlink() for path in tmp_path.rglob("*"))

    def test_stops_unpacking_a_bomb(self, tmp_path: Path) -> None:
        with pytest.raises(BadArchive, match="more than"):
            unpacked(tmp_path, bomb(ALWAYS_ALLOWED + (8 << 20)))
        assert sum(path.stat().st_size for path in (tmp_path / "code").iterdir()) <= ALWAYS_ALLOWED

    def test_does_not_believe_an_entry_that_names_a_small_size(self, tmp_path: Path) -> None:
        """What a header of its own claims is read as a whole by whoever trusts it."""
        header = file("name", bytes(ALWAYS_ALLOWED + 1), type=b"L")
        with pytest.raises(BadArchive, match="more than"):
            unpacked(tmp_path, archive(header))

    def test_stops_at_too_many_files(self, tmp_path: Path) -> None:
        entry, _ = file("folder/", type=b"5")
        content = gzip.compress(entry.tobuf() * (MOST_ENTRIES + 1), 1)
        with pytest.raises(BadArchive, match="files"):
            unpacked(tmp_path, content)
