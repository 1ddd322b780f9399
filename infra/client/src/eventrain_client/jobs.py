"""Jobs: submit, read, follow, stop."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypedDict, Unpack

from eventrain_client import code, files
from eventrain_client.calls import D, call, course
from eventrain_client.exchange import Exchange, Told
from eventrain_client.flow import Course, Flow, Item
from eventrain_client.follow import (
    INTERVAL,
    Parts,
    Update,
    follow,
    path_of,
    point_tail,
    read_job,
    wait,
    watch,
)
from eventrain_client.replies import (
    Artifact,
    Attempt,
    Change,
    Checkpoint,
    Job,
    JobPage,
    LogLine,
    LogPage,
    Metric,
    Point,
    PointPage,
    Validation,
)
from eventrain_client.request import JobRequest

# Jobs has a method `list`.
Points = list[Point]

JOBS = "/training/jobs"
SPELLED = {"model_id": "modelId", "project_id": "projectId", "submitted_by": "submittedBy"}


class Filters(TypedDict, total=False):
    """What a list is narrowed to; None narrows nothing. Of several states, any; of several labels
    (KEY=VALUE), all. `q` is how a name or an id begins."""

    status: str | Sequence[str] | None
    label: str | Sequence[str] | None
    model_id: str | None
    project_id: str | None
    submitted_by: str | None
    q: str | None


def _silent(_: str) -> None:
    pass


@dataclass(frozen=True)
class Jobs(Generic[D]):
    exchange: Exchange
    driver: D

    @call
    def submit(
        self,
        request: JobRequest | Mapping[str, Any],
        *,
        idempotency_key: str | None = None,
        dry_run: bool = False,
    ) -> Flow[Job]:
        """Submits with one key create one job within 24 hours, so that a lost answer is asked for
        again. Without a key one is made. A dry run checks the request and creates nothing."""
        return _submit(self.exchange, request, idempotency_key, dry_run)

    @call
    def submit_folder(
        self,
        folder: Path | str,
        entrypoint: str,
        *,
        args: Sequence[str] = (),
        request: JobRequest | Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
        say: code.Say = _silent,
    ) -> Flow[Job]:
        """Packs a folder of code, uploads it where it is not there yet, and submits a job that runs
        this file of it. `request` says more of the job; on its own it gets one CPU and an hour."""
        return _submit_folder(
            self.exchange, Path(folder), entrypoint, args, request, idempotency_key, say
        )

    @call
    def bring(
        self,
        folder: Path | str,
        entrypoint: str,
        *,
        project_id: str | None = None,
        keep: bool = True,
        say: code.Say = _silent,
    ) -> Flow[dict[str, str]]:
        """The `trainer.source` of a job that runs this folder, uploaded where it is not there yet;
        without `keep` nothing is. Raises FolderFault."""
        return code.bring(self.exchange, Path(folder), entrypoint, project_id, keep=keep, say=say)

    @call
    def get(self, job_id: str) -> Flow[Job]:
        return read_job(self.exchange, job_id)

    @course
    def list(self, **narrowed: Unpack[Filters]) -> Course[Job]:
        """All that fit, the newest first, fetched page by page as they are taken."""
        return self.exchange.rows(JOBS, "jobs", {**_spelled(narrowed), "limit": 200})

    @call
    def page(
        self,
        *,
        limit: int | None = None,
        cursor: str | None = None,
        **narrowed: Unpack[Filters],
    ) -> Flow[JobPage]:
        params = {**_spelled(narrowed), "limit": limit, "cursor": cursor}
        return self.exchange.ask("GET", JOBS, params=params)

    @call
    def cancel(self, job_id: str) -> Flow[Job]:
        """A running one gets time to save a checkpoint."""
        return self.exchange.ask("POST", f"{path_of(job_id)}/cancel", repeatable=True)

    @call
    def resubmit(
        self,
        job_id: str,
        resource_profile: Mapping[str, Any],
        *,
        use_gpu: bool | None = None,
        idempotency_key: str | None = None,
    ) -> Flow[Job]:
        """An ended job once more, as a new one. With one key there is one, as by `submit`."""
        body: dict[str, Any] = {"resourceProfile": dict(resource_profile)}
        body |= {} if use_gpu is None else {"useGpu": use_gpu}
        return _create(self.exchange, f"{path_of(job_id)}/resubmit", body, idempotency_key)

    @call
    def register_model(self, job_id: str, name: str, version: str, **more: Any) -> Flow[Job]:
        """Of a succeeded job; `more` may be storageUri, ownerTeam, metadata."""
        body = {"modelName": name, "modelVersion": version, **more}
        path = f"{path_of(job_id)}/register-model"
        return self.exchange.ask("POST", path, json=body, repeatable=True)

    @call
    def record_metric(
        self, job_id: str, name: str, value: float | str, *, unit: str | None = None
    ) -> Flow[Metric]:
        """What is no finite number is spelled "NaN", "Infinity" or "-Infinity"."""
        body = {"name": name, "value": value, "unit": unit}
        return self.exchange.ask("POST", f"{path_of(job_id)}/metrics", json=body)

    @call
    def wait(
        self, job_id: str, *, timeout: float | None = None, interval: float = INTERVAL
    ) -> Flow[Job]:
        """The job once it has ended, however; through restarts of the control plane. Raises NotEnded
        after so many seconds."""
        return wait(self.exchange, job_id, timeout, interval)

    @course
    def follow(
        self,
        job_id: str,
        *,
        points: bool = True,
        changes: bool = False,
        logs: bool = False,
        interval: float = INTERVAL,
    ) -> Course[Update]:
        """Whatever is told of the job from its beginning to its end, each row once, by asking every
        so many seconds."""
        return follow(self.exchange, job_id, Parts(points, changes, logs), interval)

    @course
    def watch(self, job_id: str) -> Course[Update]:
        """Whatever happens to the job to its end, streamed as it happens: all changes, and the points
        from now on."""
        return watch(self.exchange, job_id)

    @course
    def listen(self, **narrowed: Unpack[Filters]) -> Course[Told]:
        """The newest jobs (`page`), then each that changes (`job`) or leaves (`gone`), until the
        stream breaks off."""
        return _listen(self.exchange, _spelled(narrowed))

    @course
    def events(self, job_id: str) -> Course[Change]:
        """Changes of its state and what its trainer told, the oldest first."""
        return self.exchange.rows(f"{path_of(job_id)}/timeline", "timeline")

    @course
    def attempts(self, job_id: str) -> Course[Attempt]:
        return self.exchange.rows(f"{path_of(job_id)}/attempts", "attempts")

    @course
    def validations(self, job_id: str) -> Course[Validation]:
        """What validations found, the newest first."""
        return self.exchange.rows(f"{path_of(job_id)}/validations", "validations")

    @course
    def checkpoints(self, job_id: str) -> Course[Checkpoint]:
        """The oldest first."""
        return self.exchange.rows(f"{path_of(job_id)}/checkpoints", "checkpoints")

    @course
    def artifacts(self, job_id: str) -> Course[Artifact]:
        return self.exchange.rows(f"{path_of(job_id)}/artifacts", "artifacts")

    @call
    def metrics(
        self, job_id: str, *, names: Sequence[str] = (), resolution: int | None = None
    ) -> Flow[Points]:
        """The course of its metrics, all or these; with a resolution at most so many points of each,
        extremes and what is no number among them."""
        return _metrics(self.exchange, job_id, names, resolution)

    @course
    def logs(self, job_id: str) -> Course[LogLine]:
        """The lines that its trainers sent."""
        return self.exchange.rows(f"{path_of(job_id)}/logs", "lines")

    @call
    def log_page(self, job_id: str, *, cursor: str | None = None) -> Flow[LogPage]:
        """Some lines, and where the ends of its pods' logs lie."""
        return self.exchange.ask("GET", f"{path_of(job_id)}/logs", params={"cursor": cursor})

    @call
    def download(self, file: Artifact | Checkpoint, folder: Path | str = ".") -> Flow[Path]:
        """An artifact or a checkpoint into a folder, whole or not at all, held to its digest."""
        return files.fetch(file, Path(folder))


def _submit(
    exchange: Exchange, request: Mapping[str, Any], key: str | None, dry_run: bool
) -> Flow[Job]:
    return _create(exchange, JOBS, request, key, dryRun="true" if dry_run else None)


def _create(
    exchange: Exchange, path: str, body: Mapping[str, Any], key: str | None, **params: str | None
) -> Flow[Job]:
    return exchange.ask(
        "POST",
        path,
        params=params,
        json=dict(body),
        headers={"Idempotency-Key": key or str(uuid.uuid4())},
        repeatable=True,
    )


def _submit_folder(
    exchange: Exchange,
    folder: Path,
    entrypoint: str,
    args: Sequence[str],
    more: Mapping[str, Any] | None,
    key: str | None,
    say: code.Say,
) -> Flow[Job]:
    request = {**code.OF_A_FOLDER, **(more or {})}
    code.fill_in(request, folder)
    project = request.get("projectId")
    source = yield from code.bring(exchange, folder, entrypoint, project, keep=True, say=say)
    trainer = {**(request.get("trainer") or {}), "entrypoint": entrypoint, "source": source}
    request["trainer"] = trainer | ({"args": list(args)} if args else {})
    return (yield from _submit(exchange, request, key, False))


def _metrics(
    exchange: Exchange, job_id: str, names: Sequence[str], resolution: int | None
) -> Flow[Points]:
    if not names and resolution is None:
        return (yield from point_tail(exchange, job_id).read())
    found: Points = []
    params = {"names": ",".join(names) or None, "resolution": resolution}
    cursor: str | None = None
    while True:
        page: PointPage = yield from exchange.ask(
            "GET", f"{path_of(job_id)}/points", params={**params, "cursor": cursor}
        )
        found += page["points"]
        if page["nextCursor"] in (None, cursor):
            return found
        cursor = page["nextCursor"]


def _listen(exchange: Exchange, params: Mapping[str, Any]) -> Course[Told]:
    stream = yield from exchange.listen(f"{JOBS}/live", params=params)
    while (told := (yield from stream.next())) is not None:
        yield Item(told)


def _spelled(narrowed: Filters) -> dict[str, Any]:
    return {SPELLED.get(name, name): value for name, value in narrowed.items()}
