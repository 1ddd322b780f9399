from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from infra.cli.main import run

JOB = "jobType: from_scratch\nhyperparameters:\n  architecture: mlp\n  lr: 1e-3\n"
POINT = {"name": "loss", "step": 1, "time": "2026-01-01T10:00:00Z", "attempt": 1}


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


@pytest.fixture
def job_file(tmp_path: Path) -> str:
    file = tmp_path / "job.yaml"
    file.write_text(JOB)
    return str(file)


class TestSubmit:
    def test_sends_the_file_with_its_numbers_as_numbers(
        self, plane: Any, eventrain: Any, job_file: str
    ) -> None:
        ended = eventrain("submit", "-f", job_file, "--set", "hyperparameters.epochs=5")
        assert (ended.code, ended.out) == (0, f"Submitted {plane.job_id}.\n")
        assert plane.calls[-1][4]["hyperparameters"] == {
            "architecture": "mlp",
            "lr": 0.001,
            "epochs": 5,
        }

    def test_repeats_with_the_same_key_when_it_is_told_to_wait(
        self, plane: Any, eventrain: Any, job_file: str
    ) -> None:
        plane.interruptions = [busy()]
        assert eventrain("submit", "-f", job_file).code == 0
        keys = [call[2]["Idempotency-Key"] for call in plane.calls]
        assert len(keys) == 2
        assert len(set(keys)) == 1

    def test_names_every_field_that_is_refused(
        self, plane: Any, eventrain: Any, job_file: str
    ) -> None:
        errors = [
            {"field": "datasetId", "reason": "is required"},
            {"field": "resourceProfile.gpuType", "reason": "h900 is not offered here"},
        ]
        refusal = {"status": "fail", "message": "The job is not valid.", "data": {"errors": errors}}
        plane.interruptions = [(422, {}, refusal)]
        ended = eventrain("submit", "-f", job_file)
        assert ended.code == 3
        assert "datasetId: is required" in ended.err
        assert "resourceProfile.gpuType: h900 is not offered here" in ended.err

    def test_says_how_to_repeat_safely_when_nobody_answers(
        self, eventrain: Any, job_file: str
    ) -> None:
        ended = eventrain("submit", "-f", job_file, EVENTRAIN_ADDRESS="http://127.0.0.1:9")
        assert ended.code == 4
        assert "--idempotency-key" in ended.err

    def test_refuses_a_file_that_is_no_job(self, eventrain: Any, tmp_path: Path) -> None:
        file = tmp_path / "list.yaml"
        file.write_text("- one\n- two\n")
        assert eventrain("submit", "-f", str(file)).code == 2

    @pytest.mark.parametrize(
        ("status", "code"), [("succeeded", 0), ("failed", 5), ("cancelled", 6)]
    )
    def test_follows_to_the_end_and_ends_as_the_job_did(
        self, plane: Any, eventrain: Any, job_file: str, status: str, code: int
    ) -> None:
        plane.life = [{"status": "pending"}, {"status": status}]
        plane.points = [{**POINT, "value": 0.25}]
        ended = eventrain("submit", "-f", job_file, "--follow")
        assert ended.code == code
        assert status in ended.out
        assert "loss=0.25" in ended.out


class TestFollow:
    def test_goes_on_when_the_control_plane_was_away(self, plane: Any, eventrain: Any) -> None:
        running = {"status": "running"}
        plane.life = [running, running, {"status": "succeeded"}]
        plane.points = [{**POINT, "value": value, "step": value} for value in range(5)]
        plane.away_at = {4, 5}
        ended = eventrain("follow", plane.job_id, "--json")
        lines = [json.loads(line) for line in ended.out.splitlines()]
        seen = [point["value"] for line in lines for point in line.get("points", [])]
        assert ended.code == 0
        assert any("notice" in line for line in lines)
        assert seen == [0, 1, 2, 3, 4]

    def test_ends_at_once_when_nobody_answers_from_the_start(
        self, plane: Any, eventrain: Any
    ) -> None:
        ended = eventrain("follow", plane.job_id, EVENTRAIN_ADDRESS="http://127.0.0.1:9")
        assert ended.code == 4


class TestReading:
    def test_accepts_the_start_of_an_id(self, plane: Any, eventrain: Any) -> None:
        ended = eventrain("show", plane.job_id[:8])
        assert ended.code == 0
        assert plane.job_id in ended.out
        assert "job.submitted" in ended.out

    def test_says_when_no_job_begins_so(self, eventrain: Any) -> None:
        assert eventrain("show", "nothing").code == 3

    def test_lists_with_the_filters_that_were_given(self, plane: Any, eventrain: Any) -> None:
        ended = eventrain("list", "--status", "running", "--label", "team=a", "--limit", "3")
        assert ended.code == 0
        assert plane.job_id in ended.out
        assert plane.calls[-1][3] == {"status": ["running"], "label": ["team=a"], "limit": ["3"]}

    def test_prints_a_page_as_the_server_gave_it(self, plane: Any, eventrain: Any) -> None:
        plane.life = [{"status": "running", "newerField": {"kept": True}}]
        page = json.loads(eventrain("list", "--json").out)
        assert page["jobs"][0]["newerField"] == {"kept": True}

    def test_prints_each_line_of_the_log_as_it_was_written(
        self, plane: Any, eventrain: Any
    ) -> None:
        texts = ["epoch 1 [bold]not markup[/]", "epoch 2"]
        plane.lines = [
            {"attempt": 1, "stream": "stdout", "offset": place, "text": text, "time": None}
            for place, text in enumerate(texts)
        ]
        assert eventrain("logs", plane.job_id).out.splitlines() == texts

    def test_tells_a_refusal_as_data_when_data_was_asked_for(self, eventrain: Any) -> None:
        ended = eventrain("list", "--json", EVENTRAIN_TOKEN="forged")
        assert ended.code == 3
        told = json.loads(ended.err)
        assert told["status"] == "fail"
        assert told["data"]["httpStatus"] == 401

    def test_shows_what_the_catalog_offers(self, plane: Any, eventrain: Any) -> None:
        plane.models = [
            {"id": "m", "name": "digits", "version": "2", "type": "trained", "status": "draft"}
        ]
        assert "digits" in eventrain("models").out
        assert "A100" in eventrain("gpu-types").out

    def test_shows_which_frameworks_train_and_what_one_takes(self, eventrain: Any) -> None:
        listed = eventrain("frameworks").out
        assert "sklearn (default)" in listed
        assert "CPU, GPU (unused)" in listed
        told = eventrain("frameworks", "sklearn").out
        assert "number, above 0" in told
        assert "mlp or linear; or object" in told
        assert "also lr" in told
        assert json.loads(eventrain("frameworks", "sklearn", "--json").out)["title"]

    def test_names_the_frameworks_that_there_are_where_one_is_not(self, eventrain: Any) -> None:
        ended = eventrain("frameworks", "sk")
        assert ended.code == 1
        assert "there are: sklearn" in ended.err


class TestValidation:
    def test_prints_the_matrix_with_its_labels(self, plane: Any, eventrain: Any) -> None:
        plane.validations = [
            {
                "attempt": 1,
                "at": "2026-01-01T10:00:00Z",
                "epoch": epoch,
                "metrics": {"accuracy": 0.75},
                "labels": ["cat", "dog"],
                "confusionMatrix": [[3, 0], [2, epoch]],
                "perClass": {"cat": {"recall": 1.0}, "dog": {"precision": 0.5}},
            }
            for epoch in (9, 8)
        ]
        ended = eventrain("validation", plane.job_id)
        assert ended.code == 0
        assert "accuracy  0.75" in ended.out
        rows = [line.split() for line in ended.out.splitlines()]
        assert ["TRUE", "cat", "dog"] in rows
        assert ["cat", "3", "·"] in rows
        assert ["dog", "2", "9"] in rows
        assert ["dog", "-", "0.5"] in rows
        assert ["dog", "2", "8"] in [
            line.split()
            for line in eventrain("validation", plane.job_id, "--epoch", "8").out.splitlines()
        ]

    def test_says_that_there_is_none(self, plane: Any, eventrain: Any) -> None:
        assert eventrain("validation", plane.job_id).out == "No validation was told.\n"
        assert eventrain("validation", plane.job_id, "--epoch", "3").code == 2


class TestDeadLetters:
    @pytest.fixture(autouse=True)
    def letter(self, plane: Any) -> None:
        failure = {"destination": "http://launch-job", "code": 503, "said": "away"}
        plane.letters = [
            {
                "id": "2026-01-01-e",
                "eventId": "e",
                "type": "dev.eventrain.job.submitted.v1",
                "source": "submit-job",
                "subject": "j",
                "projectId": "p",
                "failure": failure,
                "receivedAt": "2026-01-01T10:00:00Z",
                "replayedAt": None,
                "key": "dead-letters/2026-01-01/e.json",
                "data": {"jobId": "j"},
            }
        ]

    def test_are_listed_with_the_reason(self, eventrain: Any) -> None:
        ended = eventrain("dead-letters", "list")
        assert ended.code == 0
        assert "2026-01-01-e  job.submitted  http://launch-job: 503" in ended.out

    def test_are_shown_with_their_data(self, eventrain: Any) -> None:
        assert "jobId" in eventrain("dead-letters", "show", "2026-01-01-e").out
        told = eventrain("dead-letters", "show", "2026-01-01-e", "--json").out
        assert json.loads(told)["eventId"] == "e"

    def test_are_sent_again_one_after_the_other(self, plane: Any, eventrain: Any) -> None:
        ended = eventrain("dead-letters", "replay", "2026-01-01-x/y", "2026-01-01-e")
        assert (ended.code, ended.out) == (3, "Sent 2026-01-01-e again.\n")
        assert "no such dead letter" in ended.err
        method, path, *_ = plane.calls[-1]
        assert (method, path.partition("/admin/")[2]) == (
            "POST",
            "dead-letters/2026-01-01-e/replay",
        )

    def test_says_where_to_look_for_one_that_is_not_there(self, eventrain: Any) -> None:
        ended = eventrain("dead-letters", "show", "nothing")
        assert ended.code == 3
        assert "dead-letters list" in ended.err


class TestRetention:
    def test_says_what_will_be_deleted(self, plane: Any, eventrain: Any) -> None:
        known = {"days": 90.0, "rows": 12, "objects": 0, "bytes": 2048, "more": True}
        unknown = {"days": 7.0, "rows": 0, "objects": 3, "bytes": None, "more": False}
        plane.expired = [{"kind": "log lines", **known}, {"kind": "pod logs", **unknown}]
        ended = eventrain("retention", "--dry-run")
        assert ended.code == 0
        lines = [line.split() for line in ended.out.splitlines()]
        assert lines[1:] == [
            ["log", "lines", "90", "d", "12+", "0", "2.0", "KiB"],
            ["pod", "logs", "7", "d", "0", "3", "-"],
        ]
        assert json.loads(eventrain("retention", "--json").out) == plane.expired

    def test_says_when_there_is_nothing(self, eventrain: Any) -> None:
        assert "Nothing is older" in eventrain("retention").err


class TestProcess:
    def test_ends_quietly_when_its_reader_goes_away(self, plane: Any) -> None:
        environ = {"EVENTRAIN_ADDRESS": plane.address, "EVENTRAIN_TOKEN": "a-token"}
        reader, writer = os.pipe()
        os.close(reader)
        ended = subprocess.run(
            [sys.executable, "-m", "infra.cli", "list"],
            env={**os.environ, **environ},
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
            timeout=30,
            check=False,
        )
        os.close(writer)
        assert "Traceback" not in ended.stderr

    def test_loads_neither_httpx_nor_rich_to_tell_its_version(self) -> None:
        program = (
            "import os, sys; from infra.cli.main import run; run(['version'], os.environ); "
            "print(sorted({'httpx', 'rich', 'yaml', 'asyncio'} & sys.modules.keys()))"
        )
        ended = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        )
        assert ended.stdout.splitlines()[-1] == "[]"


def busy() -> Any:
    envelope = {"status": "fail", "message": "busy", "data": None}
    return 503, {"Retry-After": "0"}, envelope
