"""The runner's socket finds a place however long the way to the temporary folder is."""

import tempfile
from pathlib import Path

import pytest
from eventrain_trainer import hub


def test_leaves_room_for_the_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = tmp_path / ("d" * 90)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))

    folder = hub._make_folder()

    assert len(str(folder / hub.SOCKET)) <= hub.LONGEST_PATH
    assert list(deep.iterdir()) == []
    folder.rmdir()
