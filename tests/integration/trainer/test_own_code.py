"""The runner with the code that somebody brought: fetched, checked, unpacked, installed, run."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest
from eventrain_trainer.checkout import Repository, check_out, parse
from eventrain_trainer.child import StopAsked, Watch
from eventrain_trainer.hub import Hub
from eventrain_trainer.preparation import CannotPrepare, must
from eventrain_trainer.session import Session
from eventrain_trainer.settings import Settings

from tests.archives import HOSTILE, archive, bomb, file
from tests.integration.trainer.bucket import Bucket
from tests.integration.trainer.control_plane import ControlPlane
from tests.integration.trainer.program import Program
from tests.wheel import make_wheel

Start = Callable[..., Program]
KEY = "projects/p/sources/code.tar.gz"
SCRIPT = b"""
import os, pathlib, sys
import beside, eventrain_trainer
print(sys.argv[1:], beside.WORD, os.getcwd())
pathlib.Path(os.environ["OUTPUT_DIR"], "model.bin").write_text("weights")
"""


def with_code(
    plane: ControlPlane, bucket: Bucket, content: bytes, digest: str = "", **more: str
) -> dict[str, str]:
    """The environment of a job whose source is this archive."""
    source = {
        "uri": bucket.write(KEY, content),
        "digest": digest or f"sha256:{hashlib.sha256(content).hexdigest()}",
    }
    config = {"source": source, "entrypoint": "train.py", "args": ["--lr", "0.1"]}
    return plane.environ(TRAINER_CONFIG=json.dumps(config), **more)


def failure(plane: ControlPlane) -> tuple[str, str, str]:
    [done] = plane.dones
    return done["outcome"], done["errorClass"], done["message"]


class TestAFolder:
    def test_runs_as_it_was_packed_and_keeps_its_output(
        self, plane: ControlPlane, bucket: Bucket, program: Start
    ) -> None:
        content = archive(file("train.py", SCRIPT), file("beside.py", b"WORD = 'found'"))
        run = program(**with_code(plane, bucket, content))

        assert run.wait() == 0, run.output
        assert "['--lr', '0.1'] found" in run.output
        [done] = plane.dones
        assert done["outcome"] == "succeeded"
        assert [each["name"] for each in done["artifacts"]] == ["model.bin"]

    def test_finds_what_its_requirements_name_beside_the_framework(
        self, plane: ControlPlane, bucket: Bucket, program: Start, tmp_path: Path
    ) -> None:
        make_wheel(tmp_path / "wheels", "needed", "NUMBER = 42")
        script = b"import needed, eventrain_trainer, sys; print(needed.NUMBER, sys.prefix)"
        content = archive(file("train.py", script), file("requirements.txt", b"needed==1.0\n"))
        offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path / "wheels")}
        run = program(**with_code(plane, bucket, content, **offline))

        assert run.wait(90) == 0, run.output
        assert "42" in run.output

    def test_says_which_requirement_cannot_be_installed(
        self, plane: ControlPlane, bucket: Bucket, program: Start
    ) -> None:
        content = archive(file("train.py", b""), file("requirements.txt", b"not-to-be-had==9\n"))
        run = program(**with_code(plane, bucket, content, PIP_NO_INDEX="1"))

        assert run.wait(90) == 1
        outcome, error_class, message = failure(plane)
        assert (outcome, error_class) == ("failed", "user")
        assert "requirements.txt could not be installed" in message
        assert "not-to-be-had==9" in message

    def test_says_that_the_entrypoint_is_not_there(
        self, plane: ControlPlane, bucket: Bucket, program: Start
    ) -> None:
        run = program(**with_code(plane, bucket, archive(file("other.py", b""))))

        assert run.wait() == 1
        assert failure(plane) == (
            "failed",
            "user",
            "the source has no file train.py, which is to be run",
        )


class TestAHostileFolder:
    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            *(each[1:] for each in HOSTILE if each[0] in {"climbs out", "is absolute"}),
            *(each[1:] for each in HOSTILE if each[0] == "a link to a file outside"),
            (bomb(80 << 20), "unpacks to more than"),
        ],
        ids=["climbs out", "is absolute", "a link to a file outside", "a bomb"],
    )
    def test_ends_the_job_with_its_reason(
        self, plane: ControlPlane, bucket: Bucket, program: Start, content: bytes, reason: str
    ) -> None:
        run = program(**with_code(plane, bucket, content))

        assert run.wait() == 1
        outcome, error_class, message = failure(plane)
        assert (outcome, error_class) == ("failed", "user")
        assert message.startswith("the source was refused: ")
        assert reason in message

    @pytest.mark.parametrize("digest", ["sha256:" + "0" * 64, "sha256:none"])
    def test_is_not_run_when_it_is_not_what_its_digest_says(
        self, plane: ControlPlane, bucket: Bucket, program: Start, digest: str
    ) -> None:
        run = program(**with_code(plane, bucket, archive(file("train.py", b"print(1)")), digest))

        assert run.wait() == 1
        assert failure(plane)[:2] == ("failed", "user")
        assert "digest differs" in failure(plane)[2] or "no sha256" in failure(plane)[2]

    def test_may_fare_better_when_it_could_not_be_fetched(
        self, plane: ControlPlane, bucket: Bucket, program: Start
    ) -> None:
        environ = with_code(plane, bucket, archive(file("train.py", b"")))
        bucket.empty()
        run = program(**environ)

        assert run.wait(60) == 1
        assert failure(plane)[:2] == ("failed", "transient")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """Two commits; the first is wanted, of which a folder."""
    folder = tmp_path / "repository"
    (folder / "train").mkdir(parents=True)

    def git(*words: str) -> str:
        who = ("-c", "user.name=ada", "-c", "user.email=ada@example.com")
        command = ["git", "-C", str(folder), *who, *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    git("init", "--quiet")
    git("config", "uploadpack.allowAnySHA1InWant", "true")
    for number in (1, 2):
        (folder / "train" / "train.py").write_text(f"print({number})")
        git("add", ".")
        git("commit", "--quiet", "--message", str(number))
    return Repository(f"file://{folder}", git("rev-parse", "HEAD~1"), "train")


@pytest.fixture
def watch(plane: ControlPlane, tmp_path: Path) -> Any:
    session = Session(Settings.from_environ(plane.environ(WORK_DIR=str(tmp_path))))
    hub = Hub(session)
    yield Watch(SimpleQueue(), session, hub, 8.0)
    hub.close()


class TestAStop:
    def test_that_comes_before_training_reaches_what_prepares_it(self, watch: Watch) -> None:
        watch.news.put(StopAsked("SIGTERM"))
        ended = watch.run([sys.executable, "-c", "import time; time.sleep(600)"], os.environ)

        with pytest.raises(CannotPrepare, match="stopped: SIGTERM") as stopped:
            must(ended, "requirements.txt could not be installed")
        ending = stopped.value.ending
        assert (ending.error_class, ending.exit_code) == ("transient", 143)


class TestACommit:
    def test_is_checked_out_alone(
        self, repository: Repository, watch: Watch, tmp_path: Path
    ) -> None:
        target = tmp_path / "code"
        folder = check_out(repository, target, dict(os.environ), watch, "file")

        assert (folder / "train.py").read_text() == "print(1)"
        counted = ["git", "-C", str(target), "rev-list", "--count", "HEAD"]
        assert subprocess.check_output(counted, text=True).strip() == "1"

    def test_is_fetched_over_https_alone(
        self, repository: Repository, watch: Watch, tmp_path: Path
    ) -> None:
        with pytest.raises(CannotPrepare, match="transport 'file' not allowed") as refused:
            check_out(repository, tmp_path / "code", dict(os.environ), watch)
        assert refused.value.ending.error_class == "user"

    def test_needs_git_and_says_so(
        self, repository: Repository, watch: Watch, tmp_path: Path
    ) -> None:
        with pytest.raises(CannotPrepare, match="has no git"):
            check_out(repository, tmp_path / "code", {"PATH": "/nowhere"}, watch, "file")

    @pytest.mark.parametrize(
        "uri",
        ["git+https://h/r", "git+https://h/r@main", "git+file:///r@" + "a" * 40, "/etc/passwd"],
    )
    def test_is_named_by_its_digits(self, uri: str) -> None:
        with pytest.raises(CannotPrepare, match="does not name a commit"):
            parse(uri, "")

    def test_is_read_from_the_address_or_beside_it(self) -> None:
        wanted = Repository("https://h/a/r.git", "a" * 40, "deep/er")
        assert parse(f"git+https://h/a/r.git@{'a' * 40}#subdirectory=deep/er", "") == wanted
        assert parse("git+https://h/a/r.git#subdirectory=deep/er", "sha1:" + "a" * 40) == wanted
