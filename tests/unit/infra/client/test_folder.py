"""The same folder is the same archive; what cannot be packed is named."""

import io
import os
import tarfile
from pathlib import Path

import pytest
from eventrain_client import folder as folders
from eventrain_client.errors import FolderFault
from eventrain_client.folder import Packed, list_files, pack


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "mine"
    (made / "deep").mkdir(parents=True)
    (made / "train.py").write_text("print()")
    (made / "deep" / "run.sh").write_text("#!/bin/sh")
    (made / "deep" / "run.sh").chmod(0o700)
    return made


def packed(folder: Path) -> tuple[Packed, bytes]:
    archive = io.BytesIO()
    return pack(folder, list_files(folder), archive), archive.getvalue()


class TestPack:
    def test_depends_on_contents_only(self, folder: Path, tmp_path: Path) -> None:
        other = tmp_path / "elsewhere"
        (other / "deep").mkdir(parents=True)
        (other / "deep" / "run.sh").write_text("#!/bin/sh")
        (other / "train.py").write_text("print()")
        (other / "deep" / "run.sh").chmod(0o755)
        os.utime(other / "train.py", (1, 1))
        assert packed(folder) == packed(other)

        (other / "train.py").write_text("print( )")
        assert packed(folder)[0].digest != packed(other)[0].digest

    def test_says_nothing_of_who_packed_it_and_when(self, folder: Path) -> None:
        with tarfile.open(fileobj=io.BytesIO(packed(folder)[1])) as entries:
            found = {entry.name: entry for entry in entries}
        assert list(found) == ["deep/run.sh", "train.py"]
        assert {(e.mtime, e.uid, e.gid, e.uname, e.gname) for e in found.values()} == {
            (0, 0, 0, "", "")
        }
        assert found["deep/run.sh"].mode == 0o755

    def test_leaves_out_what_the_folders_own_file_names(self, folder: Path) -> None:
        (folder / ".eventrainignore").write_text("deep/\n")
        (folder / ".git").mkdir()
        (folder / ".git" / "config").write_text("x")
        assert list_files(folder) == ["train.py"]

    def test_packs_what_a_link_inside_the_folder_leads_to(self, folder: Path) -> None:
        (folder / "again.py").symlink_to("train.py")
        with tarfile.open(fileobj=io.BytesIO(packed(folder)[1])) as entries:
            assert entries.getmember("again.py").isreg()


class TestRefusals:
    def test_name_a_link_that_leads_out(self, folder: Path) -> None:
        (folder / "passwd").symlink_to("/etc/passwd")
        with pytest.raises(FolderFault, match="passwd is a link out of the folder"):
            list_files(folder)

    def test_name_the_largest_files(self, folder: Path) -> None:
        with (folder / "weights.bin").open("wb") as file:
            file.truncate(folders.LARGEST_FOLDER + 1)
        with pytest.raises(FolderFault, match=r"at most 1.0 GiB.*weights.bin") as refused:
            list_files(folder)
        assert ".eventrainignore" in refused.value.advice

    def test_name_the_limit_of_the_archive(self, folder: Path) -> None:
        (folder / "noise.bin").write_bytes(os.urandom(3000))
        with pytest.raises(FolderFault, match=r"packs to .* at most 2.0 KiB.*noise.bin"):
            pack(folder, list_files(folder), io.BytesIO(), limit=2048)

    def test_count_the_files(self, folder: Path) -> None:
        for number in range(folders.MOST_FILES + 1):
            (folder / f"{number}.txt").touch()
        with pytest.raises(FolderFault, match="at most 10000"):
            list_files(folder)

    def test_say_that_nothing_is_there(self, tmp_path: Path) -> None:
        with pytest.raises(FolderFault, match="holds nothing"):
            list_files(tmp_path)
        with pytest.raises(FolderFault, match="is not a folder"):
            list_files(tmp_path / "none")
