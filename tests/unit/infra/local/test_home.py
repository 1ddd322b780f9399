import errno
from pathlib import Path

import pytest

from infra.local import home
from infra.local.home import Home
from infra.local.problem import HomeProblem


class TestHome:
    def test_is_closed_to_others(self, tmp_path: Path) -> None:
        folder = tmp_path / "new" / "home"
        Home(folder).open()
        assert folder.stat().st_mode & 0o777 == 0o700

    def test_is_used_by_one_at_a_time_and_names_the_other(self, tmp_path: Path) -> None:
        first = Home(tmp_path)
        first.open()
        with pytest.raises(HomeProblem, match=r"in use by another .* \(pid \d+\)"):
            Home(tmp_path).open()
        first.close()
        Home(tmp_path).open()

    def test_a_file_in_its_place_is_told(self, tmp_path: Path) -> None:
        place = tmp_path / "file"
        place.write_text("")
        with pytest.raises(HomeProblem, match="is not a folder"):
            Home(place).open()

    @pytest.mark.parametrize(
        ("number", "sentence"),
        [
            (errno.ENOSPC, "is full"),
            (errno.EROFS, "cannot be written"),
            (errno.EACCES, "cannot be written"),
            (errno.EIO, "cannot be used"),
        ],
    )
    def test_what_the_file_system_refuses_is_one_sentence(
        self, number: int, sentence: str, tmp_path: Path
    ) -> None:
        told = home.explain(OSError(number, "?"), tmp_path)
        assert sentence in told
        assert told.endswith(".")


class TestWritePrivate:
    def test_is_for_our_eyes_and_replaces_what_was_there(self, tmp_path: Path) -> None:
        file = tmp_path / "client.json"
        file.write_text("old")
        home.write_private(file, "new")
        assert file.read_text() == "new"
        assert file.stat().st_mode & 0o777 == 0o600
        assert [path.name for path in tmp_path.iterdir()] == ["client.json"]
