"""Runs: how they begin and end, and all that is logged into them."""

import json
from typing import Any

from eventrain_trainer.relay import rules, search
from eventrain_trainer.relay.asked import Asked
from eventrain_trainer.relay.book import Book, now
from eventrain_trainer.relay.failure import Failure, invalid
from eventrain_trainer.relay.kept import NAME, Run, Sample
from eventrain_trainer.relay.search import Field

STATUSES = ("RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED")
BY_NUMBER = dict(enumerate(("RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED"), 1))
LOGGED_BEFORE = "mlflow.log-model.history"
LARGEST_PART = 64 * 1024
MOST_HISTORY = 25_000


def create(book: Book, asked: Asked) -> dict[str, Any]:
    experiment = book.experiment(asked.maybe("experiment_id") or "0")
    if experiment.stage != "active":
        raise Failure("INVALID_STATE", f"The experiment {experiment.id} must be active.")
    tags = rules.check_tags(asked.pairs("tags"))
    name = asked.maybe("run_name")
    if name and tags.get(NAME, name) != name:
        raise invalid(
            "Both 'run_name' argument and 'mlflow.runName' tag are specified, but with different "
            f"values (run_name='{name}', mlflow.runName='{tags[NAME]}')."
        )
    started = asked.whole("start_time", now())
    run = book.add_run(experiment, name, asked.maybe("user_id"), started, tags)
    return {"run": run.as_json()}


def get(book: Book, asked: Asked) -> dict[str, Any]:
    return {"run": book.run(run_id(asked)).as_json()}


def update(book: Book, asked: Asked) -> dict[str, Any]:
    run = book.open_run(run_id(asked))
    status = _status(asked)
    if name := asked.maybe("run_name"):
        book.rename(run, name)
    if status or asked.has("end_time"):
        ended = asked.whole("end_time") if asked.has("end_time") else run.ended
        book.set_status(run, status or run.status, ended)
    return {"run_info": run.info()}


def delete(book: Book, asked: Asked) -> dict[str, Any]:
    book.run(run_id(asked)).stage = "deleted"
    return {}


def restore(book: Book, asked: Asked) -> dict[str, Any]:
    book.run(run_id(asked)).stage = "active"
    return {}


def find(book: Book, asked: Asked) -> dict[str, Any]:
    stages, experiments = search.stages(asked.maybe("run_view_type")), asked.texts("experiment_ids")
    visible = [
        run
        for run in book.runs.values()
        if run.stage in stages and run.experiment_id in experiments
    ]
    return search.page(asked, visible, _field, "runs", Run.as_json, "start_time")


def log_metric(book: Book, asked: Asked) -> dict[str, Any]:
    run = book.open_run(run_id(asked))
    key, sample = _sample(asked)
    book.measure(run, [(key, sample)])
    _measure_model(book, run, key, sample, asked)
    return {}


def log_param(book: Book, asked: Asked) -> dict[str, Any]:
    run = book.open_run(run_id(asked))
    book.set_params(run, rules.check_params({asked.text("key"): asked.maybe("value")}))
    return {}


def log_batch(book: Book, asked: Asked) -> dict[str, Any]:
    """All of it or nothing."""
    run = book.open_run(run_id(asked))
    told, params, tags = asked.parts("metrics"), asked.parts("params"), asked.parts("tags")
    rules.check_batch(told, params, tags)
    keys = [each.maybe("key") for each in params]
    if twice := sorted({key for key in keys if keys.count(key) > 1}):
        raise invalid(
            f"Duplicate parameter keys have been submitted: {twice}. Please ensure the request "
            "contains only one param value per param key."
        )
    samples = [_sample(each) for each in told]
    checked_tags = rules.check_tags(asked.pairs("tags"))
    book.set_params(run, rules.check_params(asked.pairs("params")))
    book.measure(run, samples)
    for (key, sample), each in zip(samples, told, strict=True):
        _measure_model(book, run, key, sample, each)
    book.set_tags(run, checked_tags)
    return {}


def set_tag(book: Book, asked: Asked) -> dict[str, Any]:
    run = book.open_run(run_id(asked))
    book.set_tags(run, rules.check_tags({asked.text("key"): asked.maybe("value")}))
    return {}


def delete_tag(book: Book, asked: Asked) -> dict[str, Any]:
    book.remove_tag(book.open_run(run_id(asked)), asked.text("key"))
    return {}


def log_inputs(book: Book, asked: Asked) -> dict[str, Any]:
    run = book.open_run(run_id(asked))
    datasets = [_dataset(book, each) for each in asked.parts("datasets")]
    models = [{"model_id": each.text("model_id")} for each in asked.parts("models")]
    book.add_inputs(run, datasets, models)
    return {}


def log_outputs(book: Book, asked: Asked) -> dict[str, Any]:
    run = book.open_run(run_id(asked))
    models = [
        {"model_id": each.text("model_id"), "step": each.whole("step", 0)}
        for each in asked.parts("models")
    ]
    book.add_outputs(run, models)
    return {}


def log_model(book: Book, asked: Asked) -> dict[str, Any]:
    """What clients before MLflow 3 say of a model among a run's artifacts."""
    run = book.open_run(run_id(asked))
    try:
        said: Any = json.loads(asked.text("model_json"))
        before: Any = json.loads(run.tags.get(LOGGED_BEFORE, "[]"))
    except ValueError as error:
        raise invalid(f"Malformed model info. {error}") from error
    if not isinstance(said, dict):
        raise invalid("Malformed model info: it is no object.")
    history = json.dumps([*before, said])[: rules.LONGEST_TAG]
    if history.endswith("]"):
        book.set_tags(run, {LOGGED_BEFORE: history})
    return {}


def logged_in(run: Run) -> str:
    """The folder, among the run's artifacts, of the model that it logged last in the old way."""
    try:
        said: Any = json.loads(run.tags.get(LOGGED_BEFORE, "[]"))
        return str(said[-1]["artifact_path"]).strip("/")
    except (ValueError, LookupError, TypeError):
        return ""


def history(book: Book, asked: Asked) -> dict[str, Any]:
    run, key = book.run(run_id(asked)), asked.text("metric_key")
    samples = run.series.get(key, [])
    first = asked.whole("page_token", 0)
    last = first + asked.whole("max_results", MOST_HISTORY)
    found: dict[str, Any] = {"metrics": [each.as_json(key) for each in samples[first:last]]}
    return found | ({"next_page_token": str(last)} if last < len(samples) else {})


def history_of_several(book: Book, asked: Asked) -> dict[str, Any]:
    key = asked.text("metric_key")
    most = asked.whole("max_results", MOST_HISTORY)
    found = [
        each.as_json(key) | {"run_id": run.id}
        for run in map(book.run, asked.texts("run_id") or asked.texts("run_ids"))
        for each in run.series.get(key, [])
    ]
    return {"metrics": found[:most]}


def find_datasets(book: Book, asked: Asked) -> dict[str, Any]:
    experiments = asked.texts("experiment_ids")
    found = {
        (run.experiment_id, *named): each
        for run in book.runs.values()
        if run.experiment_id in experiments
        for named, each in run.datasets.items()
    }
    summaries = [
        {"experiment_id": experiment, "name": name, "digest": digest}
        for experiment, name, digest in found
    ]
    return {"dataset_summaries": summaries}


def run_id(asked: Asked) -> str:
    """Old clients call it by its old name."""
    return asked.maybe("run_id") or asked.maybe("run_uuid") or asked.text("run_id")


def _status(asked: Asked) -> str:
    said = asked.maybe("status")
    status = BY_NUMBER.get(int(said), said) if said.isdigit() else said
    if status and status not in STATUSES:
        raise invalid(f"Invalid value '{said}' for parameter 'status' supplied.")
    return status


def _sample(asked: Asked) -> tuple[str, Sample]:
    key = rules.check_name(asked.maybe("key"), "name")
    timestamp = asked.whole("timestamp")
    if timestamp < 0:
        raise invalid(
            f"Invalid value {timestamp} for parameter 'timestamp' supplied: metric '{key}'. "
            "Timestamp must be a nonnegative long (64-bit integer) "
        )
    return key, Sample(asked.real("value"), timestamp, asked.whole("step", 0))


def _measure_model(book: Book, run: Run, key: str, sample: Sample, asked: Asked) -> None:
    model = book.models.get(asked.maybe("model_id"))
    if model is None:
        return
    named = {name: asked.maybe(name) for name in ("dataset_name", "dataset_digest")}
    said = {**sample.as_json(key), "model_id": model.id, "run_id": run.id}
    model.metrics[f"{key}|{named['dataset_name']}"] = said | {k: v for k, v in named.items() if v}


def _dataset(book: Book, asked: Asked) -> dict[str, Any]:
    said = asked.part("dataset")
    dataset = {name: said.text(name) for name in ("name", "digest", "source_type", "source")}
    for name in ("schema", "profile"):
        if value := said.maybe(name):
            dataset[name] = value
    for name, value in list(dataset.items()):
        if len(value) > LARGEST_PART:
            book.warn(f"the {name} of the dataset {dataset['name'][:100]} is too long to be kept")
            dataset[name] = ""
    return {"tags": [each.as_it_came() for each in asked.parts("tags")], "dataset": dataset}


def _field(run: Run, field: Field) -> Any:
    match field.kind:
        case "metric":
            sample = run.latest.get(field.key)
            return None if sample is None else sample.value
        case "param":
            return run.params.get(field.key)
        case "tag":
            return run.tags.get(field.key)
        case "dataset":
            found = [each["dataset"].get(field.key) for each in run.datasets.values()]
            return found[0] if found else None
        case _:
            return (run.info() | {"run_name": run.name, "end_time": run.ended}).get(field.key)
