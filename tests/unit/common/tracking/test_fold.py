"""What is left out of a run that holds too much, and that it says so."""

from typing import Any

from common.tracking import fold, operation
from common.tracking.fold import Books

RUN, CHILD, LATE = "a" * 32, "b" * 32, "c" * 32
MODEL = f"m-{'d' * 32}"


def books(*ops: dict[str, Any], **room: int) -> Books:
    made = Books({}, {}, **room)
    for op in operation.read({"ops": list(ops)}):
        made.apply(op)
    return made


def begin(run: str = RUN, **said: Any) -> dict[str, Any]:
    return {"op": "run", "run": run, "name": "first", "startTime": 1000} | said


class TestBooks:
    def test_keeps_the_last_word(self) -> None:
        (row,) = books(
            begin(main=True, tags={"a": "1", "b": "2"}),
            {"op": "params", "run": RUN, "params": {"lr": "0.1"}},
            {"op": "tags", "run": RUN, "tags": {"a": "3"}},
            {"op": "untag", "run": RUN, "key": "b"},
            {"op": "untag", "run": RUN, "key": "never"},
            {"op": "metrics", "run": RUN, "metrics": [["x", 1.5, 1, 0], ["x", "NaN", 2, 1]]},
            {"op": "rename", "run": RUN, "name": "second"},
            {"op": "status", "run": RUN, "status": "KILLED", "endTime": 2000},
        ).runs.values()
        assert row["main"]
        assert row["tags"] == {"a": "3"}
        assert row["parameters"] == {"lr": "0.1"}
        assert row["metrics"] == {"x": "NaN"}
        assert row["name"] == "second"
        assert row["status"] == "killed"
        assert (row["end_time"] - row["start_time"]).total_seconds() == 1

    def test_has_one_main_run(self) -> None:
        made = books(begin(main=True), begin(CHILD, main=True))
        assert [row["main"] for row in made.runs.values()] == [True, False]

    def test_says_that_runs_were_too_many(self) -> None:
        made = books(
            begin(main=True),
            begin(CHILD),
            {"op": "params", "run": CHILD, "params": {"lr": "1"}},
            room_for_runs=1,
        )
        assert list(made.runs) == [RUN]
        assert "not kept" in made.runs[RUN]["tags"][fold.DROPPED_RUNS]

    def test_says_that_entries_were_too_many(self) -> None:
        many = {f"p{number}": "x" for number in range(fold.MOST_ENTRIES + 3)}
        made = books(begin(), {"op": "params", "run": RUN, "params": many})
        again = {"op": "params", "run": RUN, "params": {"p0": "y", "more": "x"}}
        made.apply(operation.read({"ops": [again]})[0])
        row = made.runs[RUN]
        assert len(row["parameters"]) == fold.MOST_ENTRIES
        assert row["parameters"]["p0"] == "y"
        assert row["tags"][fold.DROPPED].startswith("4 ")

    def test_says_that_values_were_too_large(self) -> None:
        large = {f"t{number}": "x" * 9000 for number in range(100)}
        row = books(begin(tags=large)).runs[RUN]
        assert {len(text) for name, text in row["tags"].items() if name[0] == "t"} == {8000}
        assert sum(map(len, row["tags"].values())) <= fold.LONGEST_IN_ALL + 100
        assert fold.DROPPED in row["tags"]

    def test_leaves_metrics_out_beyond_the_bound(self) -> None:
        many = [[f"m{number}", 1, 1, 0] for number in range(fold.MOST_ENTRIES + 2)]
        row = books(begin(), {"op": "metrics", "run": RUN, "metrics": many}).runs[RUN]
        assert len(row["metrics"]) == fold.MOST_ENTRIES
        assert row["tags"][fold.DROPPED].startswith("2 ")

    def test_keeps_models(self) -> None:
        made = books(
            {"op": "model", "model": MODEL, "run": RUN, "name": "m", "params": {"a": "1"}},
            {"op": "model_status", "model": MODEL, "status": "READY"},
            {"op": "model_tags", "model": MODEL, "tags": {"t": "1"}},
            {"op": "model_tags", "model": f"m-{LATE}", "tags": {"t": "1"}},
        )
        (row,) = made.changed_models()
        assert (row["status"], row["params"], row["tags"]) == ("READY", {"a": "1"}, {"t": "1"})

    def test_leaves_models_out_beyond_the_bound(self) -> None:
        made = books({"op": "model", "model": MODEL, "run": RUN}, room_for_models=0)
        assert made.changed_models() == []

    def test_knows_nothing_of_runs_that_nobody_made(self) -> None:
        assert books({"op": "params", "run": RUN, "params": {"a": "1"}}).runs == {}
