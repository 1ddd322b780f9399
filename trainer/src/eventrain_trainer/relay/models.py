"""Logged models: what `log_model` makes of MLflow 3."""

import uuid
from typing import Any

from eventrain_trainer.relay import rules, search
from eventrain_trainer.relay.asked import Asked
from eventrain_trainer.relay.book import Book, now
from eventrain_trainer.relay.failure import invalid
from eventrain_trainer.relay.kept import ID, Model
from eventrain_trainer.relay.search import Field

STATUSES = {1: "PENDING", 2: "READY", 3: "UPLOAD_FAILED"}


def create(book: Book, asked: Asked) -> dict[str, Any]:
    experiment = book.experiment(asked.maybe("experiment_id") or "0")
    run_id = asked.maybe("source_run_id")
    model = Model(
        id=f"m-{uuid.uuid4().hex}",
        name=asked.maybe("name") or "model",
        type=asked.maybe("model_type"),
        experiment_id=experiment.id,
        run_id=run_id if ID.fullmatch(run_id) else "",
        created=now(),
        params=rules.check_params(asked.pairs("params")),
        tags=rules.check_tags(asked.pairs("tags")),
    )
    book.add_model(model)
    return {"model": model.as_json()}


def get(book: Book, asked: Asked) -> dict[str, Any]:
    return {"model": book.model(asked.text("model_id")).as_json()}


def finalise(book: Book, asked: Asked) -> dict[str, Any]:
    model = book.model(asked.text("model_id"))
    said = asked.text("status")
    status = STATUSES.get(int(said), "") if said.isdigit() else said.removeprefix("LOGGED_MODEL_")
    if status not in STATUSES.values():
        raise invalid(f"Invalid value '{said}' for parameter 'status' supplied.")
    book.set_model_status(model, status)
    return {"model": model.as_json()}


def delete(book: Book, asked: Asked) -> dict[str, Any]:
    model = book.model(asked.text("model_id"))
    book.set_model_status(model, "DELETED")
    del book.models[model.id]
    return {}


def find(book: Book, asked: Asked) -> dict[str, Any]:
    experiments = asked.texts("experiment_ids")
    visible = [each for each in book.models.values() if each.experiment_id in experiments]
    return search.page(asked, visible, _field, "models", Model.as_json, "creation_timestamp")


def set_tags(book: Book, asked: Asked) -> dict[str, Any]:
    model = book.model(asked.text("model_id"))
    book.set_model_tags(model, rules.check_tags(asked.pairs("tags")))
    return {"model": model.as_json()}


def delete_tag(book: Book, asked: Asked) -> dict[str, Any]:
    book.model(asked.text("model_id")).tags.pop(asked.text("key"), None)
    return {}


def log_params(book: Book, asked: Asked) -> dict[str, Any]:
    model = book.model(asked.text("model_id"))
    book.set_model_params(model, rules.check_params(asked.pairs("params")))
    return {"model": model.as_json()}


def _field(model: Model, field: Field) -> Any:
    if field.kind == "metric":
        found = [each for each in model.metrics.values() if each["key"] == field.key]
        return float(found[-1]["value"]) if found else None
    if field.kind in ("param", "tag"):
        return (model.params if field.kind == "param" else model.tags).get(field.key)
    known = {
        "model_id": model.id,
        "name": model.name,
        "model_name": model.name,
        "model_type": model.type,
        "status": model.status,
        "source_run_id": model.run_id,
        "experiment_id": model.experiment_id,
        "creation_timestamp": model.created,
        "creation_time": model.created,
        "last_updated_timestamp": model.updated or model.created,
    }
    return known.get(field.key)
