from pathlib import Path

import pytest

from infra.local.cluster.environment import expand
from infra.local.cluster.volumes import Mounts, write_swapped


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("$(A)", "1"),
        ("x$(A)y$(A)", "x1y1"),
        ("$(B)", "$(B)"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"),
        ("$A ${A} $", "$A ${A} $"),
    ],
)
def test_references_are_expanded_as_kubernetes_does(text: str, expanded: str) -> None:
    assert expand(text, {"A": "1"}) == expanded


class TestMounts:
    @pytest.mark.parametrize(
        ("text", "rewritten"),
        [
            ("/work", "/v/w"),
            ("/work/", "/v/w/"),
            ("/work/a/b", "/v/w/a/b"),
            ("/work/inner/a", "/v/i/a"),
            ("/workspace", "/workspace"),
            ("s3://work", "s3://work"),
            ("x/work", "x/work"),
        ],
    )
    def test_the_longest_mount_path_decides(self, text: str, rewritten: str) -> None:
        mounts = Mounts([("/work", Path("/v/w")), ("/work/inner/", Path("/v/i"))])

        assert mounts.rewrite(text) == rewritten


class TestWriteSwapped:
    def test_a_new_version_takes_the_place_of_the_old(self, tmp_path: Path) -> None:
        write_swapped(tmp_path, {"a": b"1", "b": b"1"})
        held = (tmp_path / "a").open()

        write_swapped(tmp_path, {"a": b"2", "c": b"2"})

        with held:
            assert held.read() == "1"
        names = sorted(path.name for path in tmp_path.iterdir() if not path.name.startswith(".."))
        assert names == ["a", "c"]
        assert (tmp_path / "a").read_text() == "2"
        assert oct((tmp_path / "a").stat().st_mode & 0o777) == "0o600"
        assert len([path for path in tmp_path.iterdir() if path.name.startswith("..")]) == 2
