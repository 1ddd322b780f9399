"""Reads the manifests that a cluster gets."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml

from infra.local.problem import ManifestProblem

FOLDERS = ("knative", "eventing", "infra/base")

Manifest = dict[str, Any]


@dataclass(frozen=True)
class Manifests:
    """What a clone says about its functions, by kind."""

    namespace: str
    services: tuple[Manifest, ...]
    routes: tuple[Manifest, ...]
    triggers: tuple[Manifest, ...]
    brokers: tuple[Manifest, ...]
    clocks: tuple[Manifest, ...]
    namespaces: tuple[str, ...]


def load(clone: Path) -> Manifests:
    objects = [found for folder in FOLDERS for found in _objects(clone / folder)]

    def of(kind: str, group: str = "") -> tuple[Manifest, ...]:
        return tuple(m for m in objects if m["kind"] == kind and group in str(m["apiVersion"]))

    services = of("Service", "serving.knative.dev")
    spaces = {m["metadata"].get("namespace", "default") for m in objects}
    if not services:
        raise ManifestProblem(f"{clone} holds no Knative Service: run from a clone of Eventrain.")
    return Manifests(
        namespace=str(services[0]["metadata"].get("namespace", "default")),
        services=services,
        routes=of("HTTPRoute"),
        triggers=of("Trigger"),
        brokers=of("Broker"),
        clocks=of("PingSource"),
        namespaces=tuple(sorted({*spaces, *(m["metadata"]["name"] for m in of("Namespace"))})),
    )


def name_of(manifest: Manifest) -> str:
    return str(manifest["metadata"]["name"])


def env_file(file: Path) -> dict[str, str]:
    """The plain values of a ConfigMap, as kustomize reads them."""
    if not file.exists():
        return {}
    lines = (line.strip() for line in file.read_text().splitlines())
    pairs = (line.partition("=") for line in lines if line and not line.startswith("#"))
    return {key: value for key, _, value in pairs}


def _objects(folder: Path) -> Iterator[Manifest]:
    for file in sorted(folder.rglob("*.yaml")):
        try:
            documents = list(yaml.safe_load_all(file.read_text()))
        except (yaml.YAMLError, OSError) as problem:
            raise ManifestProblem(f"{file} cannot be read: {problem}") from problem
        for document in documents:
            if _is_object(document):
                yield cast(Manifest, document)


def _is_object(document: object) -> bool:
    """Configuration and kustomizations lie beside the objects."""
    if not isinstance(document, dict):
        return False
    keys = cast(Manifest, document)
    return "kind" in keys and "apiVersion" in keys and "name" in (keys.get("metadata") or {})
