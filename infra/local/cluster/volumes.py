"""A pod's volumes, each a folder of its own, and the mount paths that stand for them.

Secrets and ConfigMaps are written as a kubelet does: the files are links through `..data`, which
is swapped at once, so that a reader sees all of one version or all of the next.
"""

import base64
import itertools
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import cast

from infra.local.cluster.resource import Json, Key
from infra.local.cluster.store import Store

_DATA = "..data"


class NotMounted(Exception):
    """A volume's source is not there (yet)."""


class Volumes:
    def __init__(self, store: Store, folder: Path) -> None:
        self._store = store
        self._folder = folder
        self._versions: dict[str, str] = {}
        self._hosts: dict[str, Path] = {}

    def folder(self, name: str) -> Path:
        return self._hosts.get(name, self._folder / name)

    def mount(self, pod: Json) -> None:
        """Creates or refreshes all of them; raises NotMounted for the first that cannot be."""
        for volume in cast(list[Json], pod["spec"].get("volumes") or []):
            if "hostPath" in volume:
                self._hosts[volume["name"]] = _host_folder(volume)
                continue
            self.folder(volume["name"]).mkdir(mode=0o700, parents=True, exist_ok=True)
            if "secret" in volume:
                self._project(pod, volume, "secrets", volume["secret"], "secretName")
            elif "configMap" in volume:
                self._project(pod, volume, "configmaps", volume["configMap"], "name")

    def paths(self, container: Json) -> "Mounts":
        mounts = cast(list[Json], container.get("volumeMounts") or [])
        return Mounts((each["mountPath"], self._mounted(each)) for each in mounts)

    def _mounted(self, mount: Json) -> Path:
        folder = self.folder(mount["name"]) / mount.get("subPath", "")
        if mount["name"] in self._hosts:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder

    def _project(self, pod: Json, volume: Json, plural: str, source: Json, naming: str) -> None:
        key = Key(plural, pod["metadata"]["namespace"], source.get(naming, ""))
        found = self._store.get(key)
        if found is None and not source.get("optional"):
            what = plural.removesuffix("s")
            raise NotMounted(
                f'MountVolume.SetUp failed for volume "{volume["name"]}" : '
                f'{what} "{key.name}" not found'
            )
        version = found["metadata"]["resourceVersion"] if found else ""
        if self._versions.get(volume["name"]) == version:
            return
        files = _files(read_data(plural, found), source, volume["name"])
        write_swapped(self.folder(volume["name"]), files)
        self._versions[volume["name"]] = version


def _host_folder(volume: Json) -> Path:
    source = volume["hostPath"]
    folder = Path(source["path"])
    if source.get("type") == "DirectoryOrCreate":
        folder.mkdir(parents=True, exist_ok=True)
    if source.get("type", "").startswith("Directory") and not folder.is_dir():
        raise NotMounted(
            f'MountVolume.SetUp failed for volume "{volume["name"]}" : '
            f"hostPath type check failed: {folder} is not a directory"
        )
    return folder


class Mounts:
    """Rewrites what begins with a mount path; the longest one decides."""

    def __init__(self, pairs: Iterable[tuple[str, Path]]) -> None:
        cut = ((mount.rstrip("/") or "/", folder) for mount, folder in pairs)
        self._pairs = sorted(cut, key=lambda pair: len(pair[0]), reverse=True)

    def rewrite(self, text: str) -> str:
        for mount, folder in self._pairs:
            if text == mount:
                return str(folder)
            if text.startswith(f"{mount}/"):
                return f"{folder}/{text[len(mount) + 1 :]}"
        return text


def read_data(plural: str, body: Json | None) -> dict[str, bytes]:
    data = cast(dict[str, str], (body or {}).get("data") or {})
    if plural == "secrets":
        return {name: base64.b64decode(value) for name, value in data.items()}
    return {name: value.encode(errors="surrogateescape") for name, value in data.items()}


def write_swapped(folder: Path, files: dict[str, bytes]) -> None:
    fresh = _fresh(folder)
    for name, content in files.items():
        path = fresh / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
            file.write(content)
    old = (folder / _DATA).resolve() if (folder / _DATA).exists() else None
    draft = folder / "..data_tmp"
    draft.unlink(missing_ok=True)
    draft.symlink_to(fresh.name)
    draft.replace(folder / _DATA)
    _link(folder, {name.partition("/")[0] for name in files})
    if old:
        shutil.rmtree(old)


def _fresh(folder: Path) -> Path:
    for number in itertools.count(1):
        path = folder / f"..{number}"
        if not path.exists():
            path.mkdir(mode=0o700)
            return path
    raise AssertionError


def _link(folder: Path, names: set[str]) -> None:
    for name in names:
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(Path(_DATA) / name)
    for path in folder.iterdir():
        if path.is_symlink() and path.name not in names and not path.name.startswith(".."):
            path.unlink()


def _files(data: dict[str, bytes], source: Json, volume: str) -> dict[str, bytes]:
    items = cast(list[Json], source.get("items") or [])
    if not items:
        return data
    if missing := [item["key"] for item in items if item["key"] not in data]:
        if source.get("optional"):
            return {item["path"]: data[item["key"]] for item in items if item["key"] in data}
        raise NotMounted(
            f'MountVolume.SetUp failed for volume "{volume}" : '
            f"references non-existent secret key: {missing[0]}"
        )
    return {item["path"]: data[item["key"]] for item in items}
