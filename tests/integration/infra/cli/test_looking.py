"""events, metrics, artifacts, checkpoints, compare, completion."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from infra.cli.main import run

POINT = {"name": "loss", "time": "2026-01-01T10:00:00Z", "attempt": 1}
STARTED = {
    "sequence": 2,
    "type": "dev.eventrain.job.started.v1",
    "at": "2026-01-01T10:00:09Z",
    "attempt": 1,
    "from": "queued",
    "to": "running",
    "detail": {},
}
EPOCH = {**STARTED, "type": "epoch_end", "from": None, "to": None, "detail": {"epoch": 1}}
FILE = {"attempt": 1, "uri": "s3://b/k", "url": None, "sha256": "a" * 64, "size": 2048}
CHECKPOINT = {
    **FILE,
    "id": "c-1",
    "name": "0a1b-epoch-3.ckpt",
    "step": None,
    "epoch": 3,
    "metrics": {"loss": 0.25},
    "createdAt": "2026-01-01T10:00:09Z",
}


@dataclass
class Ended:
    code: int
    out: str
    err: str


@pytest.fixture
def eventrain(plane: Any, capsys: pytest.CaptureFixture[str]) -> Any:
    def call(*arguments: str, **environ: str) -> Ended:
        known = {"EVENTRAIN_ADDRESS": plane.address, "EVENTRAIN_TOKEN": "a-token"}
        code = run(arguments, {**known, **environ})
        captured = capsys.readouterr()
        return Ended(code, captured.out, captured.err)

    return call


class TestEvents:
    def test_leaves_the_ends_of_epochs_to_the_metrics(self, plane: Any, eventrain: Any) -> None:
        plane.changes += [EPOCH, STARTED]
        ended = eventrain("events", plane.job_id)
        assert ended.code == 0
        assert "job.started: queued -> running" in ended.out
        assert "epoch_end" not in ended.out

    def test_follows_to_the_end_and_ends_as_the_job_did(self, plane: Any, eventrain: Any) -> None:
        plane.life = [{"status": "running"}, {"status": "running"}, {"status": "failed"}]
        plane.changes += [STARTED]
        ended = eventrain("events", plane.job_id, "--follow")
        assert ended.code == 5
        assert [line.split()[1:] for line in ended.out.splitlines()] == [
            ["job.submitted"],
            ["attempt", "1", "job.started:", "queued", "->", "running"],
        ]

    def test_are_lines_of_json_where_data_was_asked_for(self, plane: Any, eventrain: Any) -> None:
        plane.life, plane.changes = [{"status": "succeeded"}], [EPOCH, STARTED]
        for words in (("events", plane.job_id), ("events", plane.job_id, "--follow", "--all")):
            lines = eventrain(*words, "--json").out.splitlines()
            assert STARTED in [json.loads(line) for line in lines]


class TestMetrics:
    def test_are_drawn_with_their_extremes(self, plane: Any, eventrain: Any) -> None:
        plane.points = [{**POINT, "value": 1 / step, "step": step} for step in range(1, 9)]
        ended = eventrain("metrics", plane.job_id, "--chart")
        assert ended.code == 0
        assert "lowest 0.125 at 8, highest 1 at 1" in ended.out
        assert "┤" in ended.out

    @pytest.mark.parametrize("values", [["NaN"], ["Infinity", 1.0], [0.5]])
    def test_are_drawn_whatever_they_are(
        self, plane: Any, eventrain: Any, values: list[Any]
    ) -> None:
        plane.points = [{**POINT, "value": value, "step": n} for n, value in enumerate(values)]
        for options in ((), ("--chart",)):
            assert eventrain("metrics", plane.job_id, *options).code == 0

    def test_names_those_that_there_are(self, plane: Any, eventrain: Any) -> None:
        plane.points = [{**POINT, "value": 1.0, "step": 1}]
        ended = eventrain("metrics", plane.job_id, "--name", "accuracy")
        assert ended.code == 2
        assert "it told loss" in ended.err

    def test_are_all_there_as_json(self, plane: Any, eventrain: Any) -> None:
        plane.points = [{**POINT, "value": step, "step": step} for step in range(5)]
        told = json.loads(eventrain("metrics", plane.job_id, "--json").out)
        assert [point["value"] for point in told["points"]] == [0, 1, 2, 3, 4]
        assert "resolution" not in plane.calls[-1][3]


class TestFiles:
    def test_are_listed_without_naming_the_list(self, plane: Any, eventrain: Any) -> None:
        plane.artifacts = [{**FILE, "name": "model/weights.bin"}]
        plane.checkpoints = [CHECKPOINT]
        files = eventrain("artifacts", plane.job_id)
        assert (files.code, "model/weights.bin  1" in files.out) == (0, True)
        kept = eventrain("checkpoints", plane.job_id)
        assert (kept.code, "loss 0.25" in kept.out) == (0, True)

    def test_that_are_not_there_are_not_fetched(self, plane: Any, eventrain: Any) -> None:
        plane.artifacts = [{**FILE, "name": "model/weights.bin"}]
        ended = eventrain("artifacts", "download", plane.job_id, "model/bias.bin")
        assert ended.code == 2
        assert "it left: model/weights.bin" in ended.err
        none = eventrain("checkpoints", "download", plane.job_id)
        assert (none.code, "has no checkpoint" in none.err) == (2, True)

    def test_that_cannot_be_reached_say_so(self, plane: Any, eventrain: Any) -> None:
        plane.artifacts = [{**FILE, "name": "weights.bin"}]
        ended = eventrain("artifacts", "download", plane.job_id)
        assert ended.code == 1
        assert "cannot be read from here" in ended.err


class TestCompare:
    def test_marks_what_differs(self, plane: Any, eventrain: Any) -> None:
        plane.life = [
            {"status": "succeeded", "hyperparameters": {"lr": 0.1, "width": 8}},
            {"status": "succeeded", "hyperparameters": {"lr": 0.2, "width": 8}},
        ]
        ended = eventrain("compare", plane.job_id, plane.job_id)
        lr = next(line for line in ended.out.splitlines() if line.split()[:1] == ["lr"])
        assert lr.split() == ["lr", "0.1", "0.2", "≠", "+100.0%"]

    def test_says_what_differs_alone_as_data(self, plane: Any, eventrain: Any) -> None:
        plane.life = [
            {"status": "succeeded", "hyperparameters": {"lr": 0.1}},
            {"status": "failed", "hyperparameters": {"lr": 0.1}},
        ]
        words = ("compare", plane.job_id, plane.job_id, "--differing", "--json")
        told = json.loads(eventrain(*words).out)
        assert [row["name"] for row in told["rows"]] == ["status"]
        assert told["rows"][0]["values"] == ["succeeded", "failed"]

    def test_needs_two(self, plane: Any, eventrain: Any) -> None:
        assert eventrain("compare", plane.job_id).code == 2


class TestNames:
    def test_find_the_newest_job_of_that_name(self, plane: Any, eventrain: Any) -> None:
        assert plane.job_id in eventrain("show", "digits").out

    def test_of_several_jobs_cancel_none(self, plane: Any, eventrain: Any) -> None:
        listed = [{**plane.job(), "id": f"{number}{plane.job_id[1:]}"} for number in (1, 2)]
        page = {"jobs": listed, "nextCursor": None}
        plane.interruptions = [(200, {}, {"status": "success", "message": "ok", "data": page})]
        ended = eventrain("cancel", "digits")
        assert ended.code == 2
        assert "2 jobs are called 'digits'" in ended.err


class TestCompletion:
    def complete(self, plane: Any, *words: str) -> list[str]:
        """What click answers to a shell."""
        asked = {
            "EVENTRAIN_ADDRESS": plane.address,
            "EVENTRAIN_TOKEN": "a-token",
            "_EVENTRAIN_COMPLETE": "bash_complete",
            "COMP_WORDS": " ".join(("eventrain", *words)),
            "COMP_CWORD": str(len(words)),
        }
        ended = subprocess.run(
            [sys.executable, "-m", "infra.cli"],
            env={**os.environ, **asked},
            capture_output=True,
            text=True,
            check=True,
        )
        return [line.partition(",")[2] for line in ended.stdout.splitlines() if line]

    def test_knows_commands_and_options(self, plane: Any) -> None:
        assert "checkpoints" in self.complete(plane, "check")
        assert "--follow" in self.complete(plane, "events", "--")

    def test_knows_jobs_by_id_and_by_name(self, plane: Any) -> None:
        for words in (("show",), ("events",), ("artifacts",), ("checkpoints", "download")):
            assert plane.job_id in self.complete(plane, *words, plane.job_id[:4])
            assert "digits" in self.complete(plane, *words, "dig")
        assert "digits" in self.complete(plane, "compare", plane.job_id, "dig")

    def test_knows_nothing_and_says_nothing_when_nobody_answers(self, plane: Any) -> None:
        plane.interruptions = [(503, {}, {"status": "fail", "message": "x", "data": None})]
        assert self.complete(plane, "show", "dig") == []

    @pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
    def test_is_a_script_that_the_shell_can_read(
        self, eventrain: Any, tmp_path: Path, shell: str
    ) -> None:
        ended = eventrain("completion", shell)
        assert ended.code == 0
        assert "_EVENTRAIN_COMPLETE" in ended.out
        script = tmp_path / "script"
        script.write_text(ended.out)
        if found := shutil.which(shell):
            subprocess.run([found, "-n", str(script)], check=True)

    @pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
    def test_completes_in_a_real_bash(self, eventrain: Any, tmp_path: Path) -> None:
        (tmp_path / "eventrain").write_text(f"#!/bin/sh\nexec {sys.executable} -m infra.cli\n")
        (tmp_path / "eventrain").chmod(0o755)
        script = eventrain("completion", "bash").out
        asked = "COMP_WORDS=(eventrain dead); COMP_CWORD=1; _eventrain_completion eventrain"
        ended = subprocess.run(
            ["bash", "-c", f"{script}\n{asked}\necho ${{COMPREPLY[@]}}"],
            env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            check=True,
        )
        assert ended.stdout.split() == ["dead-letters"]
