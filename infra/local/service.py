"""What a Knative Service says, as a process on this machine needs it."""

import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infra.local.manifests import Manifest, name_of
from infra.local.problem import ManifestProblem

MIN_SCALE = "autoscaling.knative.dev/min-scale"
RETENTION = "autoscaling.knative.dev/scale-to-zero-pod-retention-period"
DEFAULT_TIMEOUT = 300.0


@dataclass(frozen=True)
class Values:
    """ConfigMaps and Secrets by name; `folders` are ConfigMaps that lie open, to be edited."""

    config_maps: Mapping[str, Mapping[str, str]]
    secrets: Mapping[str, Mapping[str, str]] = field(repr=False)
    folders: Mapping[str, Path]


@dataclass(frozen=True)
class FunctionPlan:
    """One function as a process: what to run, when it is ready, when it may stop."""

    name: str
    host: str
    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    readiness_path: str
    concurrency: int
    timeout: float
    min_scale: int
    idle_seconds: float | None
    cluster_access: bool


def plan(manifest: Manifest, values: Values, folder: Path) -> FunctionPlan:
    """`folder` takes the function's own mounts."""
    name = name_of(manifest)
    template = manifest["spec"]["template"]
    spec = template["spec"]
    annotations = template.get("metadata", {}).get("annotations", {})
    container = spec["containers"][0]
    mounts = _mounts(name, spec, container, values, folder)
    environment = dict(_environment(name, container, values))
    argv = [*container.get("command", ["python", "-m", "common.serve"]), *container.get("args", [])]
    probe = container.get("readinessProbe", {}).get("httpGet", {})
    return FunctionPlan(
        name=name,
        host=f"{name}.{manifest['metadata'].get('namespace', 'default')}.svc.cluster.local",
        argv=tuple(_program(_rewrite(str(word), mounts)) for word in argv),
        environment={
            **_process_environment(folder, mounts),
            **{key: _rewrite(value, mounts) for key, value in environment.items()},
            "K_SERVICE": name,
        },
        readiness_path=str(probe.get("path", "/")),
        concurrency=int(spec.get("containerConcurrency", 0)),
        timeout=float(spec.get("timeoutSeconds", DEFAULT_TIMEOUT)),
        min_scale=int(annotations.get(MIN_SCALE, 0)),
        idle_seconds=_duration(annotations.get(RETENTION)),
        cluster_access=spec.get("automountServiceAccountToken", "serviceAccountName" in spec),
    )


def _environment(name: str, container: Manifest, values: Values) -> Iterator[tuple[str, str]]:
    for source in container.get("envFrom", []):
        kind, reference = next(iter(source.items()))
        sources = values.secrets if kind == "secretRef" else values.config_maps
        yield from _known(name, sources, reference).items()
    for entry in container.get("env", []):
        if "valueFrom" not in entry:
            yield str(entry["name"]), str(entry.get("value", ""))
            continue
        value = _referred(name, entry, values)
        if value is not None:
            yield str(entry["name"]), value


def _referred(name: str, entry: Manifest, values: Values) -> str | None:
    kind, reference = next(iter(entry["valueFrom"].items()))
    sources = {"secretKeyRef": values.secrets, "configMapKeyRef": values.config_maps}.get(kind)
    if sources is None:
        raise ManifestProblem(f"Service {name}: {entry['name']} uses {kind}, unknown here.")
    found = _known(name, sources, reference).get(reference["key"])
    if found is None and not reference.get("optional"):
        where = f"{reference['name']}/{reference['key']}"
        raise ManifestProblem(f"Service {name}: {entry['name']} refers to {where}, unknown here.")
    return found


def _known(
    name: str, sources: Mapping[str, Mapping[str, str]], reference: Manifest
) -> Mapping[str, str]:
    found = sources.get(reference["name"])
    if found is None and not reference.get("optional"):
        raise ManifestProblem(f"Service {name} refers to {reference['name']}, unknown here.")
    return found or {}


def _mounts(
    name: str, spec: Manifest, container: Manifest, values: Values, folder: Path
) -> dict[str, Path]:
    """A folder for each mount, longest path first."""
    volumes = {volume["name"]: volume for volume in spec.get("volumes", [])}
    mounts: dict[str, Path] = {}
    for mount in container.get("volumeMounts", []):
        if mount["name"] not in volumes:
            raise ManifestProblem(f"Service {name} mounts {mount['name']}, which is no volume.")
        path = str(mount["mountPath"])
        mounts[path] = _volume(name, volumes[mount["name"]], values, folder / "volumes")
    return dict(sorted(mounts.items(), key=lambda mount: -len(mount[0])))


def _volume(name: str, volume: Manifest, values: Values, folder: Path) -> Path:
    place = folder / volume["name"]
    if "configMap" in volume and volume["configMap"]["name"] in values.folders:
        return values.folders[volume["configMap"]["name"]]
    place.mkdir(parents=True, exist_ok=True, mode=0o700)
    if "emptyDir" in volume:
        return place
    content = _content(name, volume, values)
    for key, text in content.items():
        (place / key).write_text(text)
        (place / key).chmod(0o600)
    return place


def _content(name: str, volume: Manifest, values: Values) -> Mapping[str, str]:
    if "secret" in volume:
        return _known(name, values.secrets, {"name": volume["secret"]["secretName"]})
    if "configMap" in volume:
        return _known(name, values.config_maps, volume["configMap"])
    raise ManifestProblem(f"Service {name}: volume {volume['name']} is of a kind unknown here.")


def _rewrite(text: str, mounts: Mapping[str, Path]) -> str:
    for path, place in mounts.items():
        if text == path or text.startswith(path + "/"):
            return str(place) + text[len(path) :]
    return text


def _program(word: str) -> str:
    return sys.executable if word in ("python", "python3") else word


def _process_environment(folder: Path, mounts: Mapping[str, Path]) -> dict[str, str]:
    """What an image would bring. No home of ours: a function sees what its Service sets."""
    return {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.defpath}",
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        "TMPDIR": str(mounts.get("/tmp", folder)),
    }


def _duration(text: Any) -> float | None:
    """Go's notation, as far as annotations use it: 30s, 5m, 1h30m."""
    if text is None:
        return None
    seconds, number = 0.0, ""
    for letter in str(text):
        if letter in "hms":
            seconds += float(number) * {"h": 3600, "m": 60, "s": 1}[letter]
            number = ""
        else:
            number += letter
    return seconds
