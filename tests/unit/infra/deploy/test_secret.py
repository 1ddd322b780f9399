"""The files of a tier's Secrets."""

import json
import stat
from pathlib import Path

import pytest

from common.tokens.keyring import KeyRing
from infra.deploy import secret


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a.env.example").write_text("uri=postgresql://me:<b.env password>@host/a\n")
    (tmp_path / "b.env.example").write_text(
        "user=me\npassword=<random>\nurl=postgresql://me:<b.env password>@host/b\n"
    )
    (tmp_path / "c.env.example").write_text("keys.json=<key-ring>\nid=<the id of a key>\n")
    return tmp_path


def values(file: Path) -> dict[str, str]:
    return dict(line.split("=", 1) for line in file.read_text().splitlines())


class TestMake:
    def test_makes_a_file_of_each_template_for_its_owner_only(self, folder: Path) -> None:
        made = secret.make(folder)
        assert [file.name for file in made] == ["a.env", "b.env", "c.env"]
        assert {stat.S_IMODE(file.stat().st_mode) for file in made} == {0o600}

    def test_gives_one_password_to_all_that_name_it(self, folder: Path) -> None:
        secret.make(folder)
        b = values(folder / "b.env")
        assert len(b["password"]) == 40
        assert b["url"] == f"postgresql://me:{b['password']}@host/b"
        assert values(folder / "a.env")["uri"] == f"postgresql://me:{b['password']}@host/a"

    def test_leaves_what_is_there_and_builds_on_it(self, folder: Path) -> None:
        (folder / "b.env").write_text("password=mine\n")
        assert [file.name for file in secret.make(folder)] == ["a.env", "c.env"]
        assert values(folder / "b.env") == {"password": "mine"}
        assert values(folder / "a.env")["uri"] == "postgresql://me:mine@host/a"

    def test_makes_a_key_ring_that_functions_can_read(self, folder: Path) -> None:
        secret.make(folder)
        text = values(folder / "c.env")["keys.json"]
        assert json.loads(text)["signing"] == "k1"
        KeyRing.parse(text)

    def test_makes_another_password_each_time(self, folder: Path) -> None:
        secret.make(folder)
        first = values(folder / "b.env")
        (folder / "b.env").unlink()
        secret.make(folder)
        assert values(folder / "b.env") != first


def test_what_only_a_person_knows_is_asked_for(folder: Path) -> None:
    secret.make(folder)
    assert list(secret.wanting(folder)) == [(folder / "c.env", "the id of a key")]
