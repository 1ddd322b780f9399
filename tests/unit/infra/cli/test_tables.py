from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from eventrain_client.replies import Point
from rich.console import Console

from infra.cli import tables


def point(value: float, step: float | None, attempt: int = 1) -> Point:
    return {"name": "loss", "value": value, "step": step, "time": None, "attempt": attempt}


def printed(picture: Any) -> str:
    console = Console(width=200, color_system=None)
    with console.capture() as captured:
        console.print(picture)
    return captured.get()


class TestByName:
    def test_puts_late_points_where_they_belong(self) -> None:
        course = tables.by_name([point(0.3, 3), point(0.1, 1), point(0.2, 2)])["loss"]
        assert [each["step"] for each in course] == [1, 2, 3]

    def test_takes_what_was_told_twice_once(self) -> None:
        course = tables.by_name([point(0.5, 1), point(0.4, 1)])["loss"]
        assert [each["value"] for each in course] == [0.4]

    def test_lets_a_later_attempt_follow_the_one_before(self) -> None:
        course = tables.by_name([point(0.9, 1, 2), point(0.5, 7, 1)])["loss"]
        assert course[-1]["attempt"] == 2

    def test_keeps_points_without_a_step(self) -> None:
        assert len(tables.by_name([point(0.1, None), point(0.1, None)])["loss"]) == 2


class TestTimeline:
    def test_numbers_changes_of_state_only(self) -> None:
        change: Any = {
            "sequence": 3,
            "type": "dev.eventrain.job.started.v1",
            "at": "2026-01-01T10:00:00Z",
            "from": "queued",
            "to": "running",
            "attempt": 1,
            "detail": {"reason": None},
        }
        told: Any = {
            **change,
            "type": "checkpoint_saved",
            "from": None,
            "to": None,
            "detail": {"uri": "s3://a/b", "epoch": 3, "metrics": {"loss": 0.25}},
        }
        first, second = printed(tables.timeline([change, told])).splitlines()[1:]
        assert first.split()[0] == "3"
        assert "job.started: queued -> running" in first
        assert second.split(maxsplit=3)[1:3] == ["1", "checkpoint_saved"]
        assert second.rstrip().endswith("epoch 3, metrics (loss 0.25)")


class TestFacts:
    def test_takes_brackets_in_a_name_for_what_they_are(self) -> None:
        row: Any = {"id": "j", "status": "running", "jobType": "x", "name": "run [red]7[/]"}
        assert "run [red]7[/]" in printed(tables.job_facts(row, datetime.now(UTC)))
