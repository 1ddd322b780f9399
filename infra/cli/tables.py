"""The tables and pages that commands print."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from eventrain_client.catalog_replies import Dataset, Model
from eventrain_client.replies import (
    Artifact,
    Attempt,
    Change,
    Checkpoint,
    GpuType,
    Job,
    JsonObject,
    Point,
)
from rich.markup import escape
from rich.table import Table

from infra.cli import words

# The columns whose text is folded when a terminal is narrow.
GIVES_WAY = frozenset({"NAME", "METRICS", "DETAIL", "REASON", "FILE"})

DIGEST_IN_FRONT = re.compile(r"^[0-9a-f]{16}-")

EMPTY: tuple[Any, ...] = (None, "", {}, [])

LONG = frozenset({"uri", "sha256", "evidence", "confusionMatrix", "perClass", "labels"})


def table(*headings: str) -> Table:
    made = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for heading in headings:
        gives_way = heading in GIVES_WAY
        made.add_column(heading, no_wrap=not gives_way, overflow="fold", min_width=8 * gives_way)
    return made


def jobs(rows: Sequence[Job], now: datetime) -> Table:
    made = table("ID", "NAME", "STATUS", "DONE", "RAN", "AGE")
    for job in rows:
        made.add_row(
            job["id"],
            escape(job.get("name") or "-"),
            words.status(job["status"]),
            words.percent(job),
            words.run_time(job, now),
            words.age(job.get("submittedAt"), now),
        )
    return made


def gpu_types(rows: Sequence[GpuType]) -> Table:
    made = table("ID", "LABEL", "ENABLED", "PRIORITY")
    for row in rows:
        enabled = "[green]yes[/]" if row["enabled"] else "[dim]no[/]"
        made.add_row(escape(row["id"]), escape(row["label"]), enabled, str(row["priority"]))
    return made


def models(rows: Sequence[Model]) -> Table:
    made = table("NAME", "VERSION", "TYPE", "STATUS", "ID")
    for row in rows:
        name, version = escape(row["name"]), escape(row["version"])
        made.add_row(name, version, row["type"], row["status"], row["id"])
    return made


def model_facts(model: Model) -> Table:
    return facts(
        [
            ("model", model["id"]),
            ("name", escape(model["name"])),
            ("version", escape(model["version"])),
            ("type", model["type"]),
            ("status", model["status"]),
            ("address", escape(model.get("storage_uri") or "")),
            ("owner", escape(model.get("owner_team") or "")),
            ("made from", escape(", ".join(model.get("lineage_dataset_ids") or []))),
            ("evaluation", escape(detail(model.get("evaluation_summary")))),
        ]
    )


def datasets(rows: Sequence[Dataset]) -> Table:
    made = table("NAME", "VERSION", "TYPE", "ID")
    for row in rows:
        name, version = escape(row["name"]), escape(row["version"])
        made.add_row(name, version, row.get("type") or "-", row["id"])
    return made


def short_type(name: str) -> str:
    return name.removeprefix("dev.eventrain.").removesuffix(".v1")


def artifacts(rows: Sequence[Artifact]) -> Table:
    made = table("FILE", "ATTEMPT", "SIZE", "SHA-256")
    for row in rows:
        digest = row.get("sha256") or "-"
        attempt = _or_dash(row.get("attempt"))
        made.add_row(escape(row["name"]), attempt, words.size(row.get("size")), digest[:16])
    return made


def timeline(rows: Sequence[Change]) -> Table:
    """Changes of state by their number; what the trainer told in between has none. The ends of
    epochs are left to the table of metrics, which says the same in one line."""
    made = table("#", "TIME", "ATTEMPT", "WHAT", "DETAIL")
    for row in (each for each in rows if each["type"] != "epoch_end"):
        made.add_row(
            str(row["sequence"]) if row.get("to") else "",
            words.clock(row["at"]),
            _or_dash(row.get("attempt")),
            escape(_change(row)),
            escape(_told(row.get("detail"))),
        )
    return made


def attempts(rows: Sequence[Attempt]) -> Table:
    """Each try with what ended it: by which rule, on what evidence, and how many are left."""
    heads = ("ATTEMPT", "STARTED", "ENDED", "OUTCOME", "CLASS", "RULE", "EXIT", "LEFT", "NODE")
    made = table(*heads, "REASON")
    for row in rows:
        seen = row.get("evidence") or {}
        made.add_row(
            str(row["attempt"]),
            words.clock(row.get("startedAt")),
            words.clock(row.get("endedAt")),
            row.get("outcome") or "-",
            row.get("errorClass") or "-",
            escape(row.get("rule") or "-"),
            _or_dash(row.get("exitCode")),
            _or_dash(row.get("budgetLeft")),
            escape(seen.get("node") or "-"),
            escape(_because(row.get("reason"), seen.get("logLine"))),
        )
    return made


def _because(reason: str | None, line: str | None) -> str:
    """With the line of the log that was taken for evidence, where the reason does not hold it."""
    told = reason or "-"
    return told if not line or line in told else f"{told}\nlog: {line}"


def checkpoints(rows: Sequence[Checkpoint]) -> Table:
    """By the names that programs gave them; a prefix keeps those apart in the store."""
    made = table("NAME", "ATTEMPT", "EPOCH", "STEP", "SIZE", "WHEN", "ID", "METRICS")
    for row in rows:
        made.add_row(
            escape(given_name(row["name"])),
            str(row["attempt"]),
            _or_dash(row["epoch"]),
            _or_dash(row["step"]),
            words.size(row["size"]),
            words.clock(row["createdAt"]),
            row["id"][:8],
            escape(detail(row["metrics"])) or "-",
        )
    return made


def given_name(name: str) -> str:
    """A checkpoint's, as its program called it."""
    return DIGEST_IN_FRONT.sub("", name)


def change_line(row: Change) -> str:
    """A change as one line, as it comes."""
    number = row.get("attempt")
    attempt = f"attempt {number}" if number else ""
    parts = (words.clock(row["at"]), attempt, _change(row), _told(row.get("detail")))
    return "  ".join(part for part in parts if part)


def plain(text: str) -> str:
    """Whose brackets are no markup."""
    return escape(text)


def metrics(points: Sequence[Point]) -> Table:
    made = table("METRIC", "LAST", "STEP", "COURSE")
    for name, course in by_name(points).items():
        last = course[-1]
        made.add_row(
            escape(name),
            words.number(last["value"]),
            _or_dash(last["step"]),
            words.sparkline([point["value"] for point in course]),
        )
    return made


def facts(pairs: Sequence[tuple[str, str | None]]) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in pairs:
        if value and value != "-":
            grid.add_row(name, value)
    return grid


def job_facts(job: Job, now: datetime) -> Table:
    health = words_of_health(job.get("health"))
    return facts(
        [
            ("job", job["id"]),
            ("name", escape(job.get("name") or "")),
            ("status", _status(job)),
            ("health", health if job["status"] in {"running", "queued"} else None),
            ("reason", escape(job.get("statusReason") or "")),
            ("waiting for", escape(job.get("waitingFor") or "")),
            ("cluster shows", escape(_observed(job.get("observed")))),
            ("trainer said", escape(_reported(job.get("reported")))),
            ("type", job["jobType"]),
            ("labels", escape(detail(job.get("labels")))),
            ("resources", escape(detail(job.get("resourceProfile")))),
            ("starts from", job.get("modelId")),
            ("dataset", job.get("datasetId")),
            ("submitted", _submitted(job)),
            ("started", words.date(job.get("startedAt"))),
            ("ended", words.date(job.get("completedAt"))),
            ("ran", words.run_time(job, now)),
            ("makes", _model(job)),
            ("trace", job.get("traceId")),
            ("model address", escape(job.get("outputModelStorageUri") or "")),
            ("catalog entry", job.get("outputModelEntryId")),
        ]
    )


def job_end(job: Job, now: datetime) -> Table:
    return facts(
        [
            ("status", _status(job)),
            ("reason", escape(job.get("statusReason") or "")),
            ("ran", words.run_time(job, now)),
            ("model", _model(job) if job["status"] == "succeeded" else None),
            ("model address", escape(job.get("outputModelStorageUri") or "")),
        ]
    )


def by_name(points: Sequence[Point]) -> dict[str, list[Point]]:
    """Each metric's course in the order of its steps; of one step, what was told last."""
    told: dict[str, dict[tuple[int, float], Point]] = {}
    for place, point in enumerate(points):
        step = place if point["step"] is None else point["step"]
        told.setdefault(point["name"], {})[point["attempt"], step] = point
    return {name: [steps[key] for key in sorted(steps)] for name, steps in told.items()}


def words_of_health(health: Any) -> str:
    """`alive`, or `silent, cancelling`: the health is a word, a list, or an object of marks."""
    if isinstance(health, dict):
        return detail(health)
    if isinstance(health, list):
        return ", ".join(str(word) for word in health)
    return str(health or "")


def detail(value: Any) -> str:
    """An object of a timeline or a profile as `key value, key (key value)`."""
    if isinstance(value, dict):
        pairs: list[tuple[str, Any]] = list(value.items())
        return ", ".join(f"{key} {_part(each)}" for key, each in pairs if each not in EMPTY)
    return "" if value is None else str(value)


def _part(value: Any) -> str:
    if isinstance(value, dict | list):
        whole: Any = value
        inner = detail(whole) if isinstance(whole, dict) else ", ".join(map(_part, whole))
        return f"({inner})"
    return words.number(value)


def _told(value: Any) -> str:
    """Without what fills a screen, or is shown with the attempts; --json has it."""
    if not isinstance(value, dict):
        return detail(value)
    whole: dict[str, Any] = value
    return detail({key: each for key, each in whole.items() if key not in LONG})


def _change(row: Change) -> str:
    before, after = row.get("from"), row.get("to")
    kind = short_type(row["type"])
    return f"{kind}: {before} -> {after}" if before and after and before != after else kind


def _observed(seen: JsonObject | None) -> str:
    shown = {key: each for key, each in (seen or {}).items() if key not in ("since", "message")}
    since = words.clock((seen or {}).get("since"))
    return f"{detail(shown)} (since {since})" if since != "-" else detail(shown)


def _reported(told: JsonObject | None) -> str:
    said = {key: each for key, each in (told or {}).items() if key not in ("at", "sequence")}
    return f"{detail(said) or 'that it is alive'} (at {words.clock(told['at'])})" if told else ""


def _status(job: Job) -> str:
    attempt = job.get("attempt")
    allowed = job.get("maxRetries")
    of = f", attempt {attempt}" if attempt else ""
    retries = f" ({job.get('retryCount') or 0} of {allowed} retries used)" if allowed else ""
    return f"{words.status(job['status'])}{of}{retries}"


def _model(job: Job) -> str:
    name, version = job.get("outputModelName"), job.get("outputModelVersion")
    return escape(f"{name} {version or ''}".strip()) if name else ""


def _submitted(job: Job) -> str:
    submitter = job.get("submittedBy")
    by = f" by {escape(submitter)}" if submitter else ""
    return words.date(job.get("submittedAt")) + by


def _or_dash(value: Any) -> str:
    return "-" if value is None else str(value)
