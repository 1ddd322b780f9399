"""Experiments: a job has one of its own; a program may name more, which are labels of its runs."""

from typing import Any

from eventrain_trainer.relay import rules, search
from eventrain_trainer.relay.asked import Asked
from eventrain_trainer.relay.book import Book
from eventrain_trainer.relay.failure import invalid, taken, unknown
from eventrain_trainer.relay.kept import Experiment
from eventrain_trainer.relay.search import Field

MOST_EXPERIMENTS = 10_000


def create(book: Book, asked: Asked) -> dict[str, Any]:
    name = rules.check_experiment_name(asked.text("name"))
    if _named(book, name):
        raise taken(f"Experiment(name={name}) already exists.")
    if len(book.experiments) >= MOST_EXPERIMENTS:
        raise invalid(f"A job can have at most {MOST_EXPERIMENTS} experiments.")
    made = book.add_experiment(name)
    made.tags.update(rules.check_tags(asked.pairs("tags")))
    return {"experiment_id": made.id}


def get(book: Book, asked: Asked) -> dict[str, Any]:
    return {"experiment": book.experiment(asked.text("experiment_id")).as_json()}


def get_by_name(book: Book, asked: Asked) -> dict[str, Any]:
    name = asked.text("experiment_name")
    found = _named(book, name)
    if found is None:
        raise unknown(f"Could not find experiment with name '{name}'")
    return {"experiment": found.as_json()}


def find(book: Book, asked: Asked) -> dict[str, Any]:
    stages = search.stages(asked.maybe("view_type"))
    visible = [each for each in book.experiments.values() if each.stage in stages]
    return search.page(asked, visible, _field, "experiments", Experiment.as_json, "creation_time")


def update(book: Book, asked: Asked) -> dict[str, Any]:
    found = book.experiment(asked.text("experiment_id"))
    name = rules.check_experiment_name(asked.text("new_name"))
    if _named(book, name) not in (None, found):
        raise taken(f"Experiment(name={name}) already exists.")
    found.name = name
    return {}


def delete(book: Book, asked: Asked) -> dict[str, Any]:
    book.experiment(asked.text("experiment_id")).stage = "deleted"
    return {}


def restore(book: Book, asked: Asked) -> dict[str, Any]:
    book.experiment(asked.text("experiment_id")).stage = "active"
    return {}


def set_tag(book: Book, asked: Asked) -> dict[str, Any]:
    found = book.experiment(asked.text("experiment_id"))
    tags = rules.check_tags({asked.text("key"): asked.maybe("value")})
    if book.has_room(sum(map(len, [*tags, *tags.values()]))):
        found.tags.update(tags)
    return {}


def delete_tag(book: Book, asked: Asked) -> dict[str, Any]:
    book.experiment(asked.text("experiment_id")).tags.pop(asked.text("key"), None)
    return {}


def _named(book: Book, name: str) -> Experiment | None:
    return next((each for each in book.experiments.values() if each.name == name), None)


def _field(found: Experiment, field: Field) -> Any:
    if field.kind == "tag":
        return found.tags.get(field.key)
    known = {
        "name": found.name,
        "experiment_id": found.id,
        "creation_time": found.created,
        "last_update_time": found.created,
    }
    return known.get(field.key)
