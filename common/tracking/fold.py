"""Reports of type `mlflow`, folded into what is known of an attempt's experiment runs and models.

In the transaction that records the report, so under the beat's lock: of a job one report is folded
at a time, each once, and only of the attempt that the fence lets pass.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid5

from common.postgres import Connection, statement
from common.tracking import operation as op
from common.tracking.filter import OURS
from common.tracking.operation import Operation

Row = dict[str, Any]

# Of an attempt.
MOST_RUNS = 1000
MOST_MODELS = 200
# Of a run or a model: entries of each kind, the length of a value, and of all values together.
MOST_ENTRIES = 1000
LONGEST_VALUE = 8000
LONGEST_IN_ALL = 500_000
DROPPED = "eventrain.dropped"
DROPPED_RUNS = "eventrain.dropped_runs"

_log = logging.getLogger(__name__)


def run_id(job_id: UUID, attempt: int, run: str) -> UUID:
    """What the contract calls this run, stored or not."""
    return uuid5(job_id, f"{attempt}/{run}")


async def fold(
    connection: Connection, job_id: UUID, attempt: int, payload: Mapping[str, Any], *, now: datetime
) -> None:
    """Applies a payload that was checked. What is more than is kept is left out, and its run says
    so in a tag."""
    ops = op.read(payload)
    books = await _read_books(connection, job_id, attempt, ops)
    for each in ops:
        books.apply(each)
    await connection.execute(
        statement("write_runs"), job_id, attempt, books.changed_runs(job_id, attempt), now
    )
    await connection.execute(
        statement("write_logged_models"), job_id, attempt, books.changed_models(), now
    )


async def _read_books(
    connection: Connection, job_id: UUID, attempt: int, ops: Sequence[Operation]
) -> "Books":
    runs = list({each.run for each in ops if not isinstance(each, _OF_MODELS) and each.run})
    models = list({each.model for each in ops if isinstance(each, _OF_MODELS)})
    rows = await connection.fetch(statement("read_told_runs"), job_id, attempt, runs)
    logged = await connection.fetch(statement("read_logged_models"), job_id, attempt, models)
    counts = await connection.fetchrow(statement("count_told"), job_id, attempt)
    assert counts is not None
    return Books(
        {row["run"]: dict(row) for row in rows},
        {row["model"]: dict(row) for row in logged},
        room_for_runs=MOST_RUNS - counts["runs"],
        room_for_models=MOST_MODELS - counts["models"],
    )


class Books:
    """The runs and models that a report speaks of, and the main run. An operation on one that is
    not known speaks of one that was too many."""

    def __init__(
        self,
        runs: dict[str, Row],
        models: dict[str, Row],
        *,
        room_for_runs: int = MOST_RUNS,
        room_for_models: int = MOST_MODELS,
    ) -> None:
        self.runs = runs
        self.models = models
        self._room_for_runs = room_for_runs
        self._room_for_models = room_for_models
        self._changed_runs: set[str] = set()
        self._changed_models: set[str] = set()

    def changed_runs(self, job_id: UUID, attempt: int) -> list[Row]:
        """As they are to be written."""
        return [
            self.runs[run] | {"id": run_id(job_id, attempt, run)}
            for run in sorted(self._changed_runs)
        ]

    def changed_models(self) -> list[Row]:
        return [self.models[model] for model in sorted(self._changed_models)]

    def apply(self, each: Operation) -> None:
        if isinstance(each, op.Run):
            self._begin(each)
        elif isinstance(each, op.Model):
            self._log_model(each)
        elif isinstance(each, op.ModelStatus | op.ModelTags):
            self._change_model(each)
        elif row := self.runs.get(each.run):
            self._changed_runs.add(each.run)
            _change(row, each)

    def _begin(self, made: op.Run) -> None:
        row = self.runs.get(made.run)
        if row is None:
            if self._room_for_runs <= 0:
                self._leave_out_run()
                return
            self._room_for_runs -= 1
            row = self.runs[made.run] = _new_run(made, main=made.main and self._main() is None)
        self._changed_runs.add(made.run)
        row["name"] = made.name or row["name"]
        _merge(row, "tags", made.tags)

    def _main(self) -> Row | None:
        return next((row for row in self.runs.values() if row["main"]), None)

    def _leave_out_run(self) -> None:
        _log.warning("an attempt told of more than %s runs", MOST_RUNS)
        if main := self._main():
            self._changed_runs.add(main["run"])
            main["tags"][DROPPED_RUNS] = f"runs beyond the first {MOST_RUNS} are not kept"

    def _log_model(self, made: op.Model) -> None:
        row = self.models.get(made.model)
        if row is None:
            if self._room_for_models <= 0:
                _log.warning("an attempt told of more than %s models", MOST_MODELS)
                return
            self._room_for_models -= 1
            row = self.models[made.model] = _new_model(made)
        self._changed_models.add(made.model)
        _merge(row, "params", made.params)
        _merge(row, "tags", made.tags)

    def _change_model(self, change: op.ModelStatus | op.ModelTags) -> None:
        row = self.models.get(change.model)
        if row is None:
            return
        self._changed_models.add(change.model)
        if isinstance(change, op.ModelStatus):
            row["status"] = change.status
        else:
            _merge(row, "tags", change.tags)


_OF_MODELS = (op.Model, op.ModelStatus, op.ModelTags)


def _new_run(made: op.Run, *, main: bool) -> Row:
    return {
        "run": made.run,
        "parent": made.parent,
        "main": main,
        "experiment_name": made.experiment or None,
        "name": None,
        "parameters": {},
        "tags": {},
        "metrics": {},
        "status": "running",
        "start_time": _instant(made.start_time),
        "end_time": None,
    }


def _new_model(made: op.Model) -> Row:
    return {
        "model": made.model,
        "run": made.run or "",
        "name": made.name,
        "type": made.type or "",
        "status": "PENDING",
        "params": {},
        "tags": {},
    }


def _change(row: Row, each: Any) -> None:
    kind = CHANGES.get(type(each))
    if kind is not None:
        kind(row, each)


def _tag(row: Row, each: op.Tags) -> None:
    _merge(row, "tags", each.tags)


def _untag(row: Row, each: op.Untag) -> None:
    row["tags"].pop(each.key, None)


def _add_params(row: Row, each: op.Params) -> None:
    _merge(row, "parameters", each.params)


def _add_metrics(row: Row, each: op.Metrics) -> None:
    """The latest of each, as the trainer put them in order."""
    known: dict[str, Any] = row["metrics"]
    for key, value, _, _ in each.metrics:
        if key in known or len(known) < MOST_ENTRIES:
            known[key] = value
        else:
            _note(row, 1)


def _end(row: Row, each: op.Ended) -> None:
    row["status"] = OURS[each.status]
    row["end_time"] = None if row["status"] == "running" else _instant(each.end_time)


def _rename(row: Row, each: op.Rename) -> None:
    row["name"] = each.name or None


# What else is told of a run is for MLflow alone.
CHANGES: Mapping[type, Callable[[Row, Any], None]] = {
    op.Tags: _tag,
    op.Untag: _untag,
    op.Params: _add_params,
    op.Metrics: _add_metrics,
    op.Ended: _end,
    op.Rename: _rename,
}


def _merge(row: Row, field: str, entries: Mapping[str, str]) -> None:
    known: dict[str, str] = row[field]
    size = sum(len(key) + len(value) for key, value in known.items()) if entries else 0
    dropped = 0
    for key, value in entries.items():
        kept = value[:LONGEST_VALUE]
        grown = size + len(kept) - len(known[key]) if key in known else size + len(key) + len(kept)
        if grown > LONGEST_IN_ALL or (key not in known and len(known) >= MOST_ENTRIES):
            dropped += 1
            continue
        known[key], size = kept, grown
    if dropped:
        _note(row, dropped)


def _note(row: Row, dropped: int) -> None:
    tags: dict[str, str] = row["tags"]
    before = tags.get(DROPPED, "0").partition(" ")[0]
    count = dropped + (int(before) if before.isdecimal() else 0)
    tags[DROPPED] = f"{count} entries, beyond what is kept of a run"


def _instant(millis: int | None) -> datetime | None:
    return None if millis is None else datetime.fromtimestamp(millis / 1000, UTC)
