"""Custom resource definitions as JSON Schemas that refuse what a real API server would drop."""

from functools import cache
from typing import Any

import yaml

from tests.manifests.objects import ROOT

FOLDER = ROOT.parent / "shared" / "crds"
USED = ("serving", "eventing", "gateway-api", "kueue")
Schema = dict[str, Any]


@cache
def schemas() -> dict[tuple[str, str], Schema]:
    """By apiVersion and kind; only those that somebody here might use."""
    found: dict[tuple[str, str], Schema] = {}
    for path in (p for folder in USED for p in (FOLDER / folder).glob("*.yaml")):
        for document in yaml.load_all(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader):
            found |= _versions(document) if document else {}
    return found


def _versions(definition: dict[str, Any]) -> dict[tuple[str, str], Schema]:
    spec = definition["spec"]
    return {
        (f"{spec['group']}/{v['name']}", spec["names"]["kind"]): _root(
            v["schema"]["openAPIV3Schema"]
        )
        for v in spec["versions"]
        if v["served"]
    }


def _root(schema: Schema) -> Schema:
    closed = _close(schema)
    text = {"type": "string"}
    closed["properties"] |= {"apiVersion": text, "kind": text, "metadata": _metadata()}
    return closed


def _metadata() -> Schema:
    texts = {"type": "object", "additionalProperties": {"type": "string"}}
    name = {"type": "string", "pattern": "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", "maxLength": 253}
    return {
        "type": "object",
        "properties": {"name": name, "namespace": name, "labels": texts, "annotations": texts},
        "required": ["name"],
        "additionalProperties": False,
    }


def _close(schema: Schema) -> Schema:
    if schema.get("x-kubernetes-int-or-string"):
        return {"type": ["integer", "string"]}
    closed = {key: value for key, value in schema.items() if key not in _NESTED}
    if "items" in schema:
        closed["items"] = _close(schema["items"])
    if schema.get("type") == "object":
        closed |= _close_object(schema)
    return closed


_NESTED = ("items", "properties", "additionalProperties")


def _close_object(schema: Schema) -> Schema:
    properties = {name: _close(value) for name, value in schema.get("properties", {}).items()}
    if schema.get("x-kubernetes-preserve-unknown-fields"):
        return {"properties": properties}
    further = schema.get("additionalProperties", False)
    return {
        "properties": properties,
        "additionalProperties": _close(further) if isinstance(further, dict) else further,
    }
