"""The objects of a kustomization, read as kustomize would, without building it."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

Manifest = dict[str, Any]

ROOT = Path(__file__).parents[2]
BASE = ROOT / "infra" / "base"


def read_yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@cache
def base() -> tuple[Manifest, ...]:
    return tuple(_kustomization(BASE))


def of_kind(kind: str, group: str = "") -> list[Manifest]:
    return [o for o in base() if o["kind"] == kind and group_of(o) == group]


def group_of(manifest: Manifest) -> str:
    group, _, version = manifest["apiVersion"].rpartition("/")
    return group if version else ""


def name_of(manifest: Manifest) -> str:
    return manifest["metadata"]["name"]


def label(manifest: Manifest) -> str:
    return f"{manifest['kind']}/{name_of(manifest)}"


def services() -> list[Manifest]:
    return of_kind("Service", "serving.knative.dev")


def at(value: Any, path: str) -> Iterator[Any]:
    """What lies at a path such as `spec/rules/name`; lists are entered."""
    if isinstance(value, list):
        for item in value:
            yield from at(item, path)
    elif not path:
        yield value
    elif isinstance(value, dict):
        head, _, rest = path.partition("/")
        if head in value:
            yield from at(value[head], rest)


def _kustomization(folder: Path) -> Iterator[Manifest]:
    kustomization = read_yaml(folder / "kustomization.yaml")
    for resource in kustomization["resources"]:
        path = folder / resource
        if path.is_dir():
            yield from _kustomization(path)
        else:
            yield read_yaml(path)
    for generator in kustomization.get("configMapGenerator", []):
        yield _config_map(folder, generator)


def _config_map(folder: Path, generator: dict[str, Any]) -> Manifest:
    data = {
        Path(f).name: (folder / f).read_text(encoding="utf-8") for f in generator.get("files", [])
    }
    for env_file in generator.get("envs", []):
        lines = (folder / env_file).read_text(encoding="utf-8").splitlines()
        data |= dict(line.split("=", 1) for line in lines if line)
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": generator["name"], "namespace": generator["namespace"]},
        "data": data,
    }


def connections(service: Manifest, pool: int) -> int:
    """How many connections to Postgres all instances of a function may hold: its pool, and the one
    with which it asks who calls."""
    template = service["spec"]["template"]
    set_there = set(at(template, "spec/containers/env/name"))
    each = pool * ("DATABASE_POOL_SIZE" in set_there) + ("RATE_LIMITS" in set_there)
    return each * int(template["metadata"]["annotations"]["autoscaling.knative.dev/max-scale"])
