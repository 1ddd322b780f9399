"""What a command shows of jobs that really ran."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.functional.stack import Command
from tests.functional.user import User

SCRIPT = """
import math, os, pathlib, sys
import eventrain_trainer as et
run = et.start()
for step in range(1, 5):
    run.log({"loss": math.nan if step == 3 else float(sys.argv[1]) / step}, step=step)
path = pathlib.Path("last.ckpt")
path.write_text("so far")
run.checkpoint(path, epoch=4)
made = pathlib.Path(os.environ["OUTPUT_DIR"], "deep")
made.mkdir()
(made / "weights.txt").write_text("weights")
run.finish()
"""


@dataclass(frozen=True)
class Ran:
    one: str
    other: str


@pytest.fixture(scope="module")
def ran(eventrain: Command, user: User, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """Two jobs that differ in their arguments."""
    folder = tmp_path_factory.mktemp("code") / "looked-at"
    folder.mkdir()
    (folder / "train.py").write_text(SCRIPT)
    found: list[str] = []
    for rate in ("1.0", "2.0"):
        ended = eventrain("submit", str(folder), "-e", "train.py", "--", rate)
        found += re.findall(r"Submitted (\S+)\.", ended.stdout)
    for job_id in found:
        assert user.wait(job_id, seconds=90)["status"] == "succeeded"
    return Ran(*found)


@pytest.mark.timeout(300)
class TestLooking:
    def test_at_events_tells_each_once_in_order_whether_they_are_followed_or_not(
        self, eventrain: Command, ran: Ran
    ) -> None:
        plain = eventrain("events", ran.one, "--json")
        followed = eventrain("events", ran.one, "--follow", "--json")
        told = [json.loads(line) for line in plain.stdout.splitlines()]
        assert sorted(plain.stdout.splitlines()) == sorted(followed.stdout.splitlines())
        changes = [each["sequence"] for each in told if each["to"]]
        assert changes == list(range(1, len(changes) + 1))
        assert followed.returncode == 0

    def test_at_metrics_draws_what_is_finite_and_marks_what_is_not(
        self, eventrain: Command, ran: Ran
    ) -> None:
        drawn = eventrain("metrics", ran.one, "--chart", "--name", "loss").stdout
        assert "lowest 0.25 at 4, highest 1 at 1, × 1 NaN" in drawn
        assert drawn.count("×") == 2

    def test_at_files_fetches_what_the_program_left(
        self, eventrain: Command, ran: Ran, tmp_path: Path
    ) -> None:
        eventrain("artifacts", "download", ran.one, "deep", "--to", str(tmp_path))
        eventrain("checkpoints", "download", ran.one, "last.ckpt", "--to", str(tmp_path))
        assert (tmp_path / "deep" / "weights.txt").read_text() == "weights"
        assert (tmp_path / "last.ckpt").read_text() == "so far"

    def test_at_two_jobs_finds_what_differs_and_nothing_else(
        self, eventrain: Command, ran: Ran
    ) -> None:
        ended = eventrain("compare", ran.one, ran.other, "--differing", "--json")
        rows = json.loads(ended.stdout)["rows"]
        differing = {
            row["name"] for row in rows if row["section"] in {"code", "parameters", "data"}
        }
        assert differing == {"args"}
        (loss,) = (row for row in rows if row["name"] == "loss")
        assert loss["values"] == [0.25, 0.5]

    def test_finds_the_newest_by_its_name(self, eventrain: Command, ran: Ran) -> None:
        assert ran.other in eventrain("show", "looked-at").stdout
        assert eventrain("cancel", "looked-at").returncode == 2
