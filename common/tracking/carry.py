"""Carrying one attempt to MLflow: everything that was told of it, in order, in batches.

What is sent may be sent again, by whoever goes on after a death, and counts once: MLflow takes the
same metric of the same instant once, and everything else says how it is, not how it changed. So the
cursor is moved after the answer.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import asyncpg

from common.errors import Invalid
from common.jobs import course
from common.storage.objects import Objects
from common.tokens import job_token
from common.tracking import batch, ending, mirror, name
from common.tracking import operation as op
from common.tracking.batch import Batch, Metric
from common.tracking.counterpart import OWN, SAID, Counterparts
from common.tracking.mirror import Mirror, Row
from common.tracking.mlflow import Mlflow, MlflowRefused
from common.tracking.operation import Operation

RUNNING_REST = timedelta(seconds=5)
WAITING_REST = timedelta(minutes=1)
FIRST_LATE_REST = timedelta(seconds=10)
LONGEST_LATE_REST = timedelta(hours=1)
# Until then a trainer that is over may add something.
LATE = job_token.LIFETIME + timedelta(minutes=10)


@dataclass(frozen=True)
class Tools:
    pool: asyncpg.Pool
    mlflow: Mlflow
    objects: Objects
    bucket: str
    now: Callable[[], datetime]


async def carry(of: Mirror, tools: Tools) -> datetime | None:
    """Carries all there is, and says when to look again; None when nothing more can come. Raises
    MlflowUnavailable, MlflowRefused, ExperimentDeleted, and LeaseLost."""
    try:
        return await _Journey(of, tools).go()
    except MlflowRefused as refused:
        if not refused.is_missing or of.done.get("again"):
            raise
    await mirror.begin_again(tools.pool, of, now=tools.now())
    of.done["again"] = True
    rest = await _Journey(of, tools).go()
    of.done.pop("again")
    return rest


class _Journey:
    """One pass over what an attempt has told."""

    def __init__(self, of: Mirror, tools: Tools) -> None:
        self._mirror = of
        self._tools = tools
        self._pool, self._mlflow = tools.pool, tools.mlflow
        self._books = Counterparts(tools.mlflow, tools.pool, of, tools.now)

    async def go(self) -> datetime | None:
        await self._books.load()
        while await self._carry_reports() or await self._carry_beats():
            await mirror.renew(self._pool, self._mirror, now=self._tools.now())
        await self._carry_figures()
        if self._has_started():
            await self._books.own()
        if self._mirror.is_over and (self._books.runs or self._books.models):
            stores = ending.Stores(self._pool, self._tools.objects, self._tools.bucket)
            await ending.end(self._mirror, self._books, self._mlflow, stores)
        return await self._rest()

    def _has_started(self) -> bool:
        """Whether there is a run to show: of an attempt that goes on, once something tells of it."""
        over, started = self._mirror.is_over, self._mirror.job["started_at"] is not None
        return started and (over or self._books.main is not None)

    async def _carry_reports(self) -> bool:
        rows = await mirror.read_reports(self._pool, self._mirror)
        if not rows:
            return False
        told = [each for row in rows if row["payload"] for each in _operations(row)]
        if told:
            await self._books.load()
            await self._tell(told)
        cursor = self._mirror.cursor
        await self._advance(report=rows[-1]["number"], cursor=cursor)
        return True

    async def _carry_beats(self) -> bool:
        rows = await mirror.read_beats(self._pool, self._mirror)
        if not rows:
            return False
        # What was told point by point in an earlier pass is no point again as a latest value.
        told = course.names_told(rows) | set(self._mirror.done.get("told", ()))
        self._mirror.done["told"] = sorted(told)
        metrics = batch.metrics_of(point for row in rows for point in course.points_of(row, told))
        if metrics:
            await self._log(await self._books.own(), Batch(metrics=metrics))
        cursor = self._mirror.cursor.past_beats([row["sequence"] for row in rows])
        await self._advance(report=cursor.report, cursor=cursor)
        return True

    async def _carry_figures(self) -> None:
        while rows := await mirror.read_metrics(self._pool, self._mirror):
            metrics = [
                batch.metric(
                    row["name"], row["value"], name.milliseconds(row["recorded_at"]), row["step"]
                )
                for row in rows
            ]
            await self._log(await self._books.own(), Batch(metrics=metrics))
            await mirror.note_metrics(self._pool, rows, now=self._tools.now())

    async def _tell(self, told: Sequence[Operation]) -> None:
        """In order; what follows each other and may go together does."""
        run, together = "", Batch()
        for each in told:
            changes = _changes(each)
            if (
                changes is None
                or _run_of(each) != run
                or len(together) + len(changes) > batch.METRICS
            ):
                await self._log_to(run, together)
                together = Batch()
            if changes is None:
                await self._do(each)
                continue
            run = _run_of(each)
            together.metrics += changes.metrics
            together.params = {**changes.params, **together.params}
            together.tags |= changes.tags
        await self._log_to(run, together)

    async def _do(self, each: Operation) -> None:
        if isinstance(each, op.Model | op.ModelStatus):
            await self._books.model(each.model)
            return
        if isinstance(each, op.ModelTags):
            await self._tag_model(each)
            return
        run_id = await self._books.run(_run_of(each))
        if run_id is None:
            return
        match each:
            case op.Untag():
                await self._try("runs/delete-tag", {"run_id": run_id, "key": name.key(each.key)})
            case op.Rename():
                await self._try("runs/update", {"run_id": run_id, "run_name": each.name})
            case op.Ended():
                end = {"end_time": each.end_time} if each.end_time is not None else {}
                await self._try("runs/update", {"run_id": run_id, "status": each.status, **end})
            case op.Inputs():
                if each.datasets:
                    body = {"run_id": run_id, "datasets": each.datasets}
                    await self._try("runs/log-inputs", body)
                await self._link("runs/log-inputs", run_id, each.models)
            case op.Outputs():
                await self._link("runs/outputs", run_id, each.models)
            case _:
                pass

    async def _link(self, path: str, run_id: str, models: Sequence[Mapping[str, Any]]) -> None:
        """One by one: what is linked already is refused."""
        for each in models:
            model_id = await self._books.model(str(each.get("model_id")))
            if model_id is not None:
                linked = {**each, "model_id": model_id}
                await self._try(path, {"run_id": run_id, "models": [linked]})

    async def _tag_model(self, each: op.ModelTags) -> None:
        model_id = await self._books.model(each.model)
        if model_id is not None:
            body = {"tags": name.pairs(each.tags, name.tag)}
            await self._try(f"logged-models/{model_id}/tags", body, method="PATCH")

    async def _try(self, path: str, body: Mapping[str, Any], *, method: Any = "POST") -> None:
        """What is refused stands in the way of nothing else."""
        try:
            await self._mlflow.call(method, path, body)
        except MlflowRefused as refused:
            batch.note_refusal(path, refused)

    async def _log_to(self, run: str, together: Batch) -> None:
        if together:
            run_id = await self._books.run(run)
            if run_id is not None:
                await self._log(run_id, together)

    async def _log(self, run_id: str, told: Batch) -> None:
        refused = await batch.log(self._mlflow, run_id, told)
        if refused:
            self._mirror.done["refused"] = self._mirror.done.get("refused", 0) + refused

    async def _advance(self, *, report: int, cursor: mirror.Cursor) -> None:
        moved = mirror.Cursor(cursor.beat, cursor.gaps, report)
        await mirror.advance(self._pool, self._mirror, moved, now=self._tools.now())

    async def _rest(self) -> datetime | None:
        of, now = self._mirror, self._tools.now()
        ended_at, started_at = of.job["ended_at"], of.job["started_at"]
        settled = ended_at is not None and (started_at is None or now - ended_at > LATE)
        await mirror.advance(self._pool, of, of.cursor, now=now, caught_up=True, settled=settled)
        if settled:
            return None
        if ended_at is not None:
            return now + min(max(2 * (now - ended_at), FIRST_LATE_REST), LONGEST_LATE_REST)
        return now + (WAITING_REST if started_at is None else RUNNING_REST)


def _operations(row: Row) -> Sequence[Operation]:
    said: Sequence[Mapping[str, Any]] = row["payload"].get("ops", ())
    named = [{**each, "run": SAID} if each.get("run") == OWN else each for each in said]
    try:
        return op.read({"ops": named})
    except Invalid as wrong:
        batch.note_refusal("a report", wrong)
        return ()


def _run_of(each: Operation) -> str:
    return getattr(each, "run", None) or OWN


def _changes(each: Operation) -> Batch | None:
    """What an operation adds to a run, if that is all it does."""
    match each:
        case op.Metrics():
            return Batch(metrics=[_metric(one) for one in each.metrics])
        case op.Params():
            return Batch(params=dict(each.params))
        case op.Tags():
            return Batch(tags=dict(each.tags))
        case _:
            return None


def _metric(told: tuple[str, float | str, int, int]) -> Metric:
    key, value, milliseconds, step = told
    return batch.metric(key, value, milliseconds, step)
