from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from rich.console import Console

from infra.cli import compare_page
from infra.cli.compare import Row, Side, compare, flat

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def side(values: tuple[Any, ...] = (), **changes: Any) -> Side:
    job: Any = {
        "id": "0b6d8f4e-0000-4000-8000-000000000000",
        "name": "digits",
        "status": "succeeded",
        "jobType": "from_scratch",
        "submittedAt": "2026-01-01T10:00:00Z",
        "startedAt": "2026-01-01T10:00:05Z",
        "completedAt": "2026-01-01T10:10:05Z",
        "hyperparameters": {"lr": 0.1, "layers": {"width": 64}},
        "trainer": {"framework": "sklearn", "source": {"digest": "sha256:a"}},
        **changes,
    }
    points: Any = [
        {"name": "loss", "value": value, "step": step, "time": None, "attempt": 1}
        for step, value in enumerate(values)
    ]
    return Side(job, [], points)


def rows(*sides: Side) -> dict[tuple[str, str], Row]:
    return {(row.section, row.name): row for row in compare(sides, NOW)}


def differing(*sides: Side) -> set[tuple[str, str]]:
    return {key for key, row in rows(*sides).items() if row.differs}


class TestCompare:
    def test_finds_nothing_between_a_job_and_itself(self) -> None:
        assert differing(side((0.5, "NaN")), side((0.5, "NaN"))) == set()

    def test_marks_parameters_however_deep_and_those_that_one_lacks(self) -> None:
        other = side(hyperparameters={"lr": 0.1, "layers": {"width": 32}, "seed": 7})
        assert differing(side(), other) == {
            ("parameters", "layers.width"),
            ("parameters", "seed"),
        }
        assert rows(side(), other)["parameters", "seed"].values == (None, 7)

    def test_marks_code_by_its_digest(self) -> None:
        other = side(trainer={"framework": "sklearn", "source": {"digest": "sha256:b"}})
        assert differing(side(), other) == {("code", "source.digest")}

    def test_compares_last_values_and_extremes_whatever_diverged(self) -> None:
        found = rows(side((2.0, 0.5)), side((2.0, "NaN")))
        assert found["metrics", "loss"].values == (0.5, "NaN")
        assert found["metrics", "loss (lowest)"].values == (0.5, 2.0)

    def test_measures_one_that_still_runs_until_now(self) -> None:
        running = side(status="running", completedAt=None)
        found = rows(side(), running)["durations", "ran"]
        assert found.values == (600.0, 7195.0)

    def test_takes_more_than_two(self) -> None:
        assert ("parameters", "lr") in differing(side(), side(), side(hyperparameters={"lr": 1}))


def test_names_nested_values_by_dots_and_leaves_out_what_is_empty() -> None:
    assert flat({"a": {"b": 1, "c": {}}, "d": None, "e": [1]}) == {"a.b": 1, "e": [1]}


def test_the_page_says_by_how_much_the_second_is_more() -> None:
    console = Console(width=120, color_system=None)
    first, second = side(), side(hyperparameters={"lr": 0.2, "layers": {"width": 64}})
    with console.capture() as captured:
        console.print(compare_page.shown([first.job, second.job], compare([first, second], NOW)))
    told = {line.split()[0]: line.split() for line in captured.get().splitlines() if line.strip()}
    assert told["lr"] == ["lr", "0.1", "0.2", "≠", "+100.0%"]
    assert told["layers.width"] == ["layers.width", "64", "64"]
    assert told["ran"] == ["ran", "10m00s", "10m00s"]
