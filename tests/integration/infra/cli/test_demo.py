from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from eventrain_client.client import Client
from eventrain_client.errors import Refused

from infra.cli import exit_codes
from infra.cli.demo import Demo, run_demo
from infra.cli.output import Output

MODEL = {
    "id": "m-1",
    "name": "digits-mlp",
    "version": "3",
    "type": "trained",
    "status": "draft",
    "storage_uri": "s3://eventrain/models/digits-mlp/3/",
    "evaluation_summary": {"accuracy": 0.97},
}
SUCCEEDED = {"status": "succeeded", "outputModelEntryId": "m-1"}


@pytest.fixture
def demo(plane: Any, tmp_path: Path) -> Iterator[Any]:
    def make(**changes: Any) -> Demo:
        given = {"make_data": _write_data, "scratch": tmp_path, "sleep": lambda _: None}
        return Demo(client, Output(), **{**given, **changes})

    with Client(plane.address, "a-token", sleep=lambda _: None) as client:
        yield make


class TestRunDemo:
    def test_uploads_trains_and_shows_the_model(
        self, plane: Any, demo: Any, capsys: pytest.CaptureFixture[str]
    ) -> None:
        plane.life = [{"status": "pending"}, {"status": "running"}, SUCCEEDED]
        plane.models = [MODEL]
        assert run_demo(demo()) == exit_codes.OK
        shown = capsys.readouterr().out
        for part in ("succeeded", "job.submitted", "s3://eventrain/models/digits-mlp/3/", "0.97"):
            assert part in shown

    def test_uses_the_dataset_that_is_there(self, plane: Any, demo: Any) -> None:
        def never(_: Path) -> Path:
            raise AssertionError

        plane.life, plane.models = [SUCCEEDED], [MODEL]
        plane.datasets = [{"id": "d", "name": "digits", "version": "1", "storage_uri": "s3://x"}]
        assert run_demo(demo(make_data=never)) == exit_codes.OK

    def test_uploads_again_what_was_created_and_never_arrived(self, plane: Any, demo: Any) -> None:
        plane.life, plane.models = [SUCCEEDED], [MODEL]
        plane.datasets = [{"id": "d", "name": "digits", "version": "1", "storage_uri": None}]
        assert run_demo(demo()) == exit_codes.OK
        assert len(plane.datasets) == 1
        assert plane.datasets[0]["storage_uri"]

    def test_shows_the_log_of_a_job_that_failed(
        self, plane: Any, demo: Any, capsys: pytest.CaptureFixture[str]
    ) -> None:
        plane.life = [{"status": "failed", "statusReason": "exit code 1"}]
        line = {"attempt": 1, "stream": "stderr", "offset": 0, "time": None}
        plane.lines = [{**line, "text": "MemoryError"}]
        assert run_demo(demo()) == exit_codes.JOB_FAILED
        shown = capsys.readouterr().out
        assert "exit code 1" in shown
        assert "MemoryError" in shown

    def test_passes_a_refusal_on(self, plane: Any, demo: Any) -> None:
        refusal = {"status": "fail", "message": "No.", "data": None}
        plane.interruptions = [(403, {}, refusal)]
        with pytest.raises(Refused):
            run_demo(demo())


def _write_data(folder: Path) -> Path:
    file = folder / "digits.csv"
    file.write_text("pixel,label\n0,1\n")
    return file
