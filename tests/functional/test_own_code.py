"""A folder of somebody's own code, from one command to its end."""

import hashlib
import io
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.archives import HOSTILE, Entry, archive, bomb, file
from tests.functional.stack import Command, Up
from tests.functional.user import User
from tests.wheel import make_wheel

SOURCES = "/training/sources"
# Nothing of ours is imported: any script will do.
SCRIPT = """
import os, pathlib, sys
import needed, sklearn
print("trained with", needed.NUMBER, sys.argv[1:], os.environ["GREETING"])
pathlib.Path(os.environ["OUTPUT_DIR"], "model.txt").write_text("weights")
"""
RESUMING = """
import pathlib
import eventrain_trainer as et
run = et.start()
found = run.resume()
print("resumed from", found.path.read_text() if found else None)
for epoch in () if found else (1, 2):
    path = pathlib.Path(f"epoch-{epoch}.ckpt")
    path.write_text(f"after {epoch}")
    run.checkpoint(path, epoch=epoch)
run.finish()
"""
SEEN = {"climbs out", "is absolute", "a link to a file outside"}
HOSTILE_HERE = [each for each in HOSTILE if each[0] in SEEN]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "mine"
    (made / ".venv").mkdir(parents=True)
    (made / ".venv" / "huge.bin").write_bytes(b"x")
    (made / "train.py").write_text(SCRIPT)
    (made / "requirements.txt").write_text("needed==1.0\n")
    return made


def brought(user: User, content: bytes) -> dict[str, Any]:
    """A source of this content, put where a client puts it."""
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    kept = user.data("POST", SOURCES, json={"digest": digest, "size": len(content)})
    if kept["upload"]:
        put = httpx.put(kept["upload"]["parts"][0]["url"], content=io.BytesIO(content).read())
        parts = [{"partNumber": 1, "etag": put.headers["etag"]}]
        sent = {key: kept["upload"][key] for key in ("name", "uploadId")}
        user.data("POST", f"{SOURCES}/complete", json={"digest": digest, "parts": parts, **sent})
    return {"uri": kept["uri"], "digest": kept["digest"]}


def submitted(command: subprocess.CompletedProcess[str]) -> str:
    found = re.findall(r"Submitted (\S+)\.", command.stdout)
    assert found, command.stderr
    return found[0]


def run(user: User, source: dict[str, Any]) -> dict[str, Any]:
    trainer = {"framework": "sklearn", "entrypoint": "train.py", "source": source}
    job = user.submit(trainer=trainer, autoRegisterOutputModel=False)
    return user.wait(job["id"])


@pytest.mark.timeout(300)
class TestAFolderOfCode:
    def test_runs_with_what_it_requires_by_one_command(
        self, eventrain: Command, user: User, folder: Path, tmp_path: Path
    ) -> None:
        make_wheel(tmp_path / "wheels", "needed", "NUMBER = 42")
        offline = ("--env", "PIP_NO_INDEX=1", "--env", f"PIP_FIND_LINKS={tmp_path / 'wheels'}")
        more = ("--env", "GREETING=hello", "--label", "team=a", "--", "--lr", "0.1")
        words = ("submit", str(folder), "--entrypoint", "train.py", *offline)
        first = eventrain(*words, *more)
        again = eventrain(*words, "--dry-run", *more)
        job_id = submitted(first)
        job = user.wait(job_id, seconds=90)

        assert job["status"] == "succeeded", job
        assert "Uploaded." in first.stderr
        assert "nothing is uploaded" in again.stderr
        assert "trained with 42 ['--lr', '0.1'] hello" in eventrain("logs", job_id).stdout
        assert job["labels"] == {"team": "a"}
        artifacts = user.pages(f"/training/jobs/{job_id}/artifacts", "artifacts")
        assert [each["name"] for each in artifacts] == ["model.txt"]

    def test_goes_on_from_the_checkpoint_of_an_ended_job_that_one_chooses(
        self, eventrain: Command, user: User, folder: Path
    ) -> None:
        (folder / "train.py").write_text(RESUMING)
        (folder / "requirements.txt").unlink()
        words = ("submit", str(folder), "-e", "train.py")
        first = submitted(eventrain(*words))
        assert user.wait(first)["status"] == "succeeded"
        second = submitted(eventrain(*words, "--from", f"{first}:epoch-1.ckpt"))
        unknown = eventrain(*words, "--from", f"{first}:epoch-9.ckpt")

        assert user.wait(second)["status"] == "succeeded"
        assert "resumed from after 1" in eventrain("logs", second).stdout
        assert "has no checkpoint epoch-9.ckpt" in unknown.stderr

    def test_is_refused_by_field_when_its_commit_is_not_pinned(self, user: User) -> None:
        source = {"uri": "git+https://example.com/a/b@main"}
        trainer = {"framework": "sklearn", "entrypoint": "train.py", "source": source}
        answer = user.ask("POST", "/training/jobs", json=user.request(trainer=trainer))

        assert answer.status_code == 422
        assert [e["field"] for e in answer.json()["data"]["errors"]] == ["trainer.source.uri"]

    @pytest.mark.parametrize(
        ("content", "reason"),
        [*(each[1:] for each in HOSTILE_HERE), (bomb(80 << 20), "more than")],
        ids=[*(each[0] for each in HOSTILE_HERE), "a bomb"],
    )
    def test_that_is_hostile_ends_its_job_with_the_reason(
        self, eventrain: Command, user: User, content: bytes, reason: str
    ) -> None:
        job = run(user, brought(user, content))

        assert job["status"] == "failed"
        shown = " ".join(eventrain("show", job["id"]).stdout.split())
        assert "the source was refused" in shown
        assert reason in shown
        [attempt] = user.pages(f"/training/jobs/{job['id']}/attempts", "attempts")
        assert attempt["errorClass"] == "user"

    def test_that_was_tampered_with_is_not_run(
        self, eventrain: Command, user: User, up: Up
    ) -> None:
        harmless: Entry = file("train.py", os.urandom(8).hex().encode())
        source = brought(user, archive(harmless))
        stored = list(up.home.rglob(source["uri"].rpartition("/")[2]))
        assert stored
        for each in stored:
            each.write_bytes(archive(file("train.py", b"print('owned')")))
        job = run(user, source)

        assert job["status"] == "failed"
        assert "digest differs" in " ".join(eventrain("show", job["id"]).stdout.split())

    def test_is_no_other_jobs_to_read(self, user: User) -> None:
        """A source of another project is refused at submit, before any trainer could ask."""
        uri = f"s3://eventrain/projects/{'0' * 8}-0000-4000-8000-{'0' * 12}/sources/x.tar.gz"
        source = {"uri": uri, "digest": f"sha256:{'0' * 64}"}
        trainer = {"framework": "sklearn", "entrypoint": "train.py", "source": source}
        answer = user.ask("POST", "/training/jobs", json=user.request(trainer=trainer))

        assert [e["field"] for e in answer.json()["data"]["errors"]] == ["trainer.source.uri"]
