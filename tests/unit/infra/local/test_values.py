from pathlib import Path

from infra.local import values
from infra.local.home import Home


def ship(clone: Path, text: str) -> None:
    folder = clone / "infra/base/config"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "gpu-types.yaml").write_text(text)


class TestCopyConfigFiles:
    def test_a_file_that_was_edited_stays(self, tmp_path: Path) -> None:
        clone, home = tmp_path / "clone", Home(tmp_path / "home")
        ship(clone, "first")
        copied = values.copy_config_files(clone, home) / "gpu-types.yaml"
        copied.write_text("edited")
        ship(clone, "second")
        values.copy_config_files(clone, home)
        assert copied.read_text() == "edited"

    def test_a_file_that_was_not_edited_follows_the_clone(self, tmp_path: Path) -> None:
        clone, home = tmp_path / "clone", Home(tmp_path / "home")
        ship(clone, "first")
        copied = values.copy_config_files(clone, home) / "gpu-types.yaml"
        ship(clone, "second")
        values.copy_config_files(clone, home)
        assert copied.read_text() == "second"
