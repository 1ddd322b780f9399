"""The environment and the command that a container finds, as a kubelet makes them."""

import math
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from infra.local.cluster import quantity
from infra.local.cluster.resource import Json, Key
from infra.local.cluster.store import Store
from infra.local.cluster.volumes import Mounts, read_data

_REFERENCE = re.compile(r"\$(?:\$|\(([^()]+)\))")
_FIELD_KEY = re.compile(r"^metadata\.(labels|annotations)\['([^']+)'\]$")


class NotConfigured(Exception):
    """What the environment refers to is not there (yet)."""


@dataclass(frozen=True)
class Image:
    """What stands for a container image: programs, variables, and what runs by default."""

    bin: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    command: tuple[str, ...] = ()


@dataclass(frozen=True)
class Place:
    """Where a pod lives here, and the two things that it takes from the host."""

    folder: Path
    path: str
    lang: str


def build_environment(
    store: Store, pod: Json, container: Json, image: Image, place: Place, mounts: Mounts
) -> dict[str, str]:
    """Raises NotConfigured for a missing Secret, ConfigMap or key."""
    found = _of_container(image, pod, place)
    for source in cast(list[Json], container.get("envFrom") or []):
        for name, value in _from_all(store, pod, source):
            found[name] = mounts.rewrite(value)
    for entry in cast(list[Json], container.get("env") or []):
        value = _value(store, pod, container, entry, found)
        if value is not None:
            found[entry["name"]] = mounts.rewrite(value)
    return found


def build_command(
    container: Json, image: Image, environment: Mapping[str, str], mounts: Mounts
) -> tuple[str, ...]:
    given = container.get("command") or []
    command = list(given or image.command) + list(container.get("args") or [])
    return tuple(mounts.rewrite(expand(part, environment)) for part in command)


def find_program(name: str, environment: Mapping[str, str], cwd: Path) -> str | None:
    """Looks a command up as exec would: by PATH, or from the working directory."""
    if "/" in name:
        return shutil.which(str(cwd / name))
    return shutil.which(name, path=environment.get("PATH", ""))


def expand(text: str, known: Mapping[str, str]) -> str:
    """`$(NAME)` is replaced, `$$` is a dollar sign, what is not known stays as it is."""

    def replace(found: re.Match[str]) -> str:
        if found[0] == "$$":
            return "$"
        return known.get(found[1], found[0])

    return _REFERENCE.sub(replace, text)


def _of_container(image: Image, pod: Json, place: Place) -> dict[str, str]:
    path = f"{image.bin}:{place.path}" if image.bin else place.path
    own = {
        "PATH": path,
        "LANG": place.lang,
        "HOME": str(place.folder / "home"),
        "TMPDIR": str(place.folder / "tmp"),
        "HOSTNAME": pod["metadata"]["name"],
    }
    return own | dict(image.environment)


def _from_all(store: Store, pod: Json, source: Json) -> Iterator[tuple[str, str]]:
    plural = "secrets" if "secretRef" in source else "configmaps"
    reference = source.get("secretRef") or source.get("configMapRef") or {}
    for name, value in (_data(store, pod, plural, reference) or {}).items():
        yield source.get("prefix", "") + name, _text(value)


def _value(
    store: Store, pod: Json, container: Json, entry: Json, known: Mapping[str, str]
) -> str | None:
    source = cast(Json, entry.get("valueFrom") or {})
    if "secretKeyRef" in source:
        return _one(store, pod, "secrets", source["secretKeyRef"])
    if "configMapKeyRef" in source:
        return _one(store, pod, "configmaps", source["configMapKeyRef"])
    if "fieldRef" in source:
        return _field(pod, source["fieldRef"]["fieldPath"])
    if "resourceFieldRef" in source:
        return _amount(container, source["resourceFieldRef"])
    return expand(entry.get("value") or "", known)


def _one(store: Store, pod: Json, plural: str, reference: Json) -> str | None:
    data = _data(store, pod, plural, reference)
    if data is not None and reference["key"] in data:
        return _text(data[reference["key"]])
    if reference.get("optional"):
        return None
    kind = "Secret" if plural == "secrets" else "ConfigMap"
    where = f"{pod['metadata']['namespace']}/{reference['name']}"
    raise NotConfigured(f"couldn't find key {reference['key']} in {kind} {where}")


def _data(store: Store, pod: Json, plural: str, reference: Json) -> dict[str, bytes] | None:
    found = store.get(Key(plural, pod["metadata"]["namespace"], reference.get("name", "")))
    if found is None and not reference.get("optional"):
        raise NotConfigured(f'{plural.removesuffix("s")} "{reference.get("name", "")}" not found')
    return read_data(plural, found) if found else None


def _field(pod: Json, path: str) -> str:
    metadata, status = pod["metadata"], pod["status"]
    if keyed := _FIELD_KEY.match(path):
        return (metadata.get(keyed[1]) or {}).get(keyed[2], "")
    known = {
        "metadata.name": metadata["name"],
        "metadata.namespace": metadata["namespace"],
        "metadata.uid": metadata["uid"],
        "spec.nodeName": pod["spec"].get("nodeName", ""),
        "spec.serviceAccountName": pod["spec"].get("serviceAccountName", "default"),
        "status.podIP": status.get("podIP", ""),
        "status.podIPs": status.get("podIP", ""),
        "status.hostIP": status.get("hostIP", ""),
    }
    if path not in known:
        raise NotConfigured(f"unsupported fieldPath: {path}")
    return known[path]


def _amount(container: Json, reference: Json) -> str:
    kind, _, name = reference["resource"].partition(".")
    found = (container["resources"].get(kind) or {}).get(name, "0")
    divisor = quantity.read(reference.get("divisor") or "1") or 1
    return str(math.ceil(quantity.read(found) / divisor))


def _text(value: bytes) -> str:
    return value.decode(errors="surrogateescape")
