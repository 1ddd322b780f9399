"""A registry of one program: it can register its models and load them by their names.

What is registered in truth is decided by the control plane, under the job's own output name; it is
told of the name that the program wished for.
"""

from dataclasses import dataclass, field
from typing import Any

from eventrain_trainer.relay import rules, search
from eventrain_trainer.relay.asked import Asked
from eventrain_trainer.relay.book import Book, now
from eventrain_trainer.relay.failure import invalid, taken, unknown
from eventrain_trainer.relay.kept import TEXTS, pairs
from eventrain_trainer.relay.search import Field

WISH = "eventrain.registered_as"
MODEL = "models:/"


@dataclass
class Version:
    name: str
    number: int
    source: str
    run_id: str
    model_id: str
    location: str
    description: str = ""
    stage: str = "None"
    tags: TEXTS = field(default_factory=TEXTS)
    created: int = field(default_factory=now)

    def as_json(self, aliases: list[str]) -> dict[str, Any]:
        return {
            "name": self.name,
            "version": str(self.number),
            "creation_timestamp": self.created,
            "last_updated_timestamp": self.created,
            "current_stage": self.stage,
            "description": self.description,
            "source": self.source,
            "run_id": self.run_id,
            "model_id": self.model_id,
            "status": "READY",
            "tags": pairs(self.tags),
            "aliases": aliases,
        }


@dataclass
class Registered:
    name: str
    description: str = ""
    tags: TEXTS = field(default_factory=TEXTS)
    versions: dict[int, Version] = field(default_factory=dict[int, Version])
    aliases: dict[str, int] = field(default_factory=dict[str, int])
    made: int = 0
    created: int = field(default_factory=now)

    def version_json(self, version: Version) -> dict[str, Any]:
        return version.as_json(
            [a for a, number in self.aliases.items() if number == version.number]
        )

    def latest(self, stages: list[str]) -> list[dict[str, Any]]:
        """The newest version of each stage."""
        by_stage = {version.stage: version for _, version in sorted(self.versions.items())}
        wanted = [stage.lower() for stage in stages]
        return [
            self.version_json(version)
            for stage, version in by_stage.items()
            if not wanted or stage.lower() in wanted
        ]

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "creation_timestamp": self.created,
            "last_updated_timestamp": self.created,
            "description": self.description,
            "latest_versions": self.latest([]),
            "tags": pairs(self.tags),
            "aliases": [
                {"alias": alias, "version": str(number)} for alias, number in self.aliases.items()
            ],
        }


class Registry:
    """The deeds of registered models and their versions."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._models: dict[str, Registered] = {}
        self.last: str = ""
        """The logged model that was registered last."""

    def create(self, _: Book, asked: Asked) -> dict[str, Any]:
        name = _name(asked.text("name"))
        if name in self._models:
            raise taken(f"Registered Model (name={name}) already exists.")
        made = Registered(name, asked.maybe("description"))
        made.tags.update(rules.check_tags(asked.pairs("tags")))
        self._models[name] = made
        return {"registered_model": made.as_json()}

    def get(self, _: Book, asked: Asked) -> dict[str, Any]:
        return {"registered_model": self._model(asked).as_json()}

    def update(self, _: Book, asked: Asked) -> dict[str, Any]:
        found = self._model(asked)
        found.description = asked.maybe("description")
        return {"registered_model": found.as_json()}

    def rename(self, _: Book, asked: Asked) -> dict[str, Any]:
        found, name = self._model(asked), _name(asked.text("new_name"))
        if name in self._models:
            raise taken(f"Registered Model (name={name}) already exists.")
        self._models[name] = self._models.pop(found.name)
        found.name = name
        for version in found.versions.values():
            version.name = name
        return {"registered_model": found.as_json()}

    def delete(self, _: Book, asked: Asked) -> dict[str, Any]:
        del self._models[self._model(asked).name]
        return {}

    def find(self, _: Book, asked: Asked) -> dict[str, Any]:
        known = self._models.values()
        return search.page(
            asked, known, _of_model, "registered_models", Registered.as_json, "creation_timestamp"
        )

    def latest_versions(self, _: Book, asked: Asked) -> dict[str, Any]:
        return {"model_versions": self._model(asked).latest(asked.texts("stages"))}

    def set_tag(self, _: Book, asked: Asked) -> dict[str, Any]:
        tags = rules.check_tags({asked.text("key"): asked.maybe("value")})
        self._model(asked).tags.update(tags)
        return {}

    def delete_tag(self, _: Book, asked: Asked) -> dict[str, Any]:
        self._model(asked).tags.pop(asked.text("key"), None)
        return {}

    def set_alias(self, _: Book, asked: Asked) -> dict[str, Any]:
        version = self._version(asked)
        self._models[version.name].aliases[rules.check_alias(asked.text("alias"))] = version.number
        return {}

    def delete_alias(self, _: Book, asked: Asked) -> dict[str, Any]:
        self._model(asked).aliases.pop(asked.text("alias"), None)
        return {}

    def get_by_alias(self, _: Book, asked: Asked) -> dict[str, Any]:
        found, alias = self._model(asked), asked.text("alias")
        version = found.versions.get(found.aliases.get(alias, 0))
        if version is None:
            raise invalid(f"Registered model alias {alias} not found.")
        return {"model_version": found.version_json(version)}

    def create_version(self, _: Book, asked: Asked) -> dict[str, Any]:
        found, source = self._model(asked), asked.text("source")
        model = self._book.models.get(asked.maybe("model_id") or source.removeprefix(MODEL))
        run_id = asked.maybe("run_id") or (model.run_id if model else "")
        found.made += 1
        version = Version(
            name=found.name,
            number=found.made,
            source=source,
            run_id=run_id,
            model_id=model.id if model else "",
            location=model.artifact_uri if model else source,
            description=asked.maybe("description"),
            tags=rules.check_tags(asked.pairs("tags")),
        )
        found.versions[version.number] = version
        self._wish(version)
        return {"model_version": found.version_json(version)}

    def get_version(self, _: Book, asked: Asked) -> dict[str, Any]:
        return self._told(self._version(asked))

    def update_version(self, _: Book, asked: Asked) -> dict[str, Any]:
        version = self._version(asked)
        version.description = asked.maybe("description")
        return self._told(version)

    def move_version(self, _: Book, asked: Asked) -> dict[str, Any]:
        version = self._version(asked)
        version.stage = asked.text("stage")
        return self._told(version)

    def delete_version(self, _: Book, asked: Asked) -> dict[str, Any]:
        version = self._version(asked)
        found = self._models[version.name]
        del found.versions[version.number]
        found.aliases = {a: n for a, n in found.aliases.items() if n != version.number}
        return {}

    def find_versions(self, _: Book, asked: Asked) -> dict[str, Any]:
        known = [v for found in self._models.values() for v in found.versions.values()]
        return search.page(
            asked,
            known,
            _of_version,
            "model_versions",
            lambda version: self._models[version.name].version_json(version),
            "creation_timestamp",
        )

    def download_uri(self, _: Book, asked: Asked) -> dict[str, Any]:
        return {"artifact_uri": self._version(asked).location}

    def set_version_tag(self, _: Book, asked: Asked) -> dict[str, Any]:
        tags = rules.check_tags({asked.text("key"): asked.maybe("value")})
        self._version(asked).tags.update(tags)
        return {}

    def delete_version_tag(self, _: Book, asked: Asked) -> dict[str, Any]:
        self._version(asked).tags.pop(asked.text("key"), None)
        return {}

    def _model(self, asked: Asked) -> Registered:
        name = asked.text("name")
        found = self._models.get(name)
        if found is None:
            raise unknown(f"Registered Model with name={name} not found")
        return found

    def _version(self, asked: Asked) -> Version:
        found, number = self._model(asked), asked.whole("version")
        version = found.versions.get(number)
        if version is None:
            raise unknown(f"Model Version (name={found.name}, version={number}) not found")
        return version

    def _told(self, version: Version) -> dict[str, Any]:
        return {"model_version": self._models[version.name].version_json(version)}

    def _wish(self, version: Version) -> None:
        self.last = version.model_id or self.last
        run = self._book.runs.get(version.run_id) or self._book.main
        if run is not None:
            self._book.remark(run.id, {WISH: version.name})


def _name(name: str) -> str:
    if not name.strip() or "/" in name or ":" in name:
        raise invalid(f"Invalid model name '{name}'. Names cannot contain '/' or ':'.")
    return rules.within(name, 256, "name")


def _of_model(found: Registered, field: Field) -> Any:
    if field.kind == "tag":
        return found.tags.get(field.key)
    known = {"name": found.name, "creation_timestamp": found.created}
    return known.get(field.key, found.created if field.key.endswith("timestamp") else None)


def _of_version(version: Version, field: Field) -> Any:
    if field.kind == "tag":
        return version.tags.get(field.key)
    known = {
        "name": version.name,
        "version_number": version.number,
        "version": version.number,
        "run_id": version.run_id,
        "source_path": version.source,
        "model_id": version.model_id,
    }
    return known.get(field.key, version.created if field.key.endswith("timestamp") else None)
