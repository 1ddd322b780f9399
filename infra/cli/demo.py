"""The demo's journey: a dataset, a job on it, the job's end, the model in the catalog."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from eventrain_client.catalog_replies import Dataset, Model
from eventrain_client.replies import Job, JsonObject

from infra.cli import exit_codes, tables
from infra.cli.errors import CommandFault
from infra.cli.follow_view import show_progress
from infra.cli.job_page import read_page, show_part

if TYPE_CHECKING:
    from eventrain_client.client import Client

    from infra.cli.output import Output

DATASET = {"name": "digits", "version": "1"}
MODEL = "digits-mlp"
REGISTERED_WITHIN = 30.0


@dataclass(frozen=True, slots=True)
class Demo:
    """`make_data` writes the dataset's file into a folder, when the catalog has none."""

    client: Client
    output: Output
    make_data: Callable[[Path], Path]
    scratch: Path
    sleep: Callable[[float], object] = time.sleep


def run_demo(demo: Demo) -> int:
    """Answers the exit code. Raises EventrainError where the journey cannot go on."""
    dataset = _have_dataset(demo)
    job = demo.client.jobs.submit(job_request(dataset["id"]))
    demo.output.line(f"[bold]Job[/]      {job['id']} submitted: a small network learns digits")
    updates = demo.client.jobs.follow(job["id"], interval=0.5)
    ended = show_progress(updates, demo.output)
    if ended["status"] != "succeeded":
        _show_failure(demo, ended)
        return exit_codes.of_job(ended)
    model = _registered_model(demo, ended)
    _show_success(demo, ended["id"], model)
    return exit_codes.OK


def job_request(dataset_id: str) -> JsonObject:
    return {
        "name": "digits demo",
        "jobType": "from_scratch",
        "datasetId": dataset_id,
        "useGpu": False,
        "resourceProfile": {"cpuCores": 1, "memory": "1Gi", "maxDuration": 10},
        "trainer": {"framework": "sklearn"},
        # An epoch takes no time at all; half a second lets one see it.
        "hyperparameters": {"architecture": "mlp", "epochs": 8, "epoch_seconds": 0.5},
        "outputModelName": MODEL,
        "labels": {"from": "demo"},
    }


def _have_dataset(demo: Demo) -> Dataset:
    named = [each for each in demo.client.datasets.list() if each["name"] == DATASET["name"]]
    for dataset in named:
        if dataset.get("storage_uri"):
            demo.output.line(f"[bold]Dataset[/]  {dataset['name']} is in the catalog already")
            return dataset
    file = demo.make_data(demo.scratch)
    # A run that was cut off may have left an entry without its file.
    dataset = named[0] if named else demo.client.datasets.create(DATASET)
    demo.client.datasets.upload(dataset["id"], file)
    demo.output.line(f"[bold]Dataset[/]  {file.name} uploaded to the catalog")
    return dataset


def _registered_model(demo: Demo, job: Job) -> Model:
    deadline = time.monotonic() + REGISTERED_WITHIN
    while time.monotonic() < deadline:
        entry = demo.client.jobs.get(job["id"]).get("outputModelEntryId")
        if entry:
            return demo.client.models.get(entry)
        demo.sleep(0.3)
    raise CommandFault(f"The job succeeded, but its model was not registered: {job['id']}.")


def _show_success(demo: Demo, job_id: str, model: Model) -> None:
    page = read_page(demo.client, job_id)
    output = demo.output
    output.line()
    output.show(tables.job_end(page["job"], datetime.now(UTC)))
    show_part("Metrics", tables.metrics(page["points"]), output)
    show_part("Timeline", tables.timeline(page["timeline"]), output)
    show_part("Catalog entry", tables.model_facts(model), output)
    show_part("Files", tables.artifacts(page["artifacts"]), output)


def _show_failure(demo: Demo, job: Job) -> None:
    output = demo.output
    output.line()
    output.show(tables.job_end(job, datetime.now(UTC)))
    output.line("\n[bold]The last lines of its log[/]")
    for line in list(demo.client.jobs.logs(job["id"]))[-20:]:
        output.raw(line["text"])
