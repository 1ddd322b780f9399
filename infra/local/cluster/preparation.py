"""Turns a container's description into what is to be run on this machine."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from infra.local.cluster.environment import (
    Image,
    Place,
    build_command,
    build_environment,
    find_program,
)
from infra.local.cluster.events import Recorder
from infra.local.cluster.moment import Now
from infra.local.cluster.process import Exit, Launch
from infra.local.cluster.resource import Json
from infra.local.cluster.store import Store
from infra.local.cluster.volumes import Mounts

Images = Callable[[str], Image | None]


@dataclass
class NodeContext:
    """What all pods of the node share; not `reachable` means that the API hears nothing."""

    store: Store
    images: Images
    now: Now
    record: Recorder
    path: str
    lang: str
    reachable: asyncio.Event = field(default_factory=asyncio.Event)


class NoImage(Exception):
    """Nothing here stands for the image of that name."""


def prepare(
    node: NodeContext, pod: Json, container: Json, folder: Path, mounts: Mounts
) -> Launch | Exit:
    """What to run, or how it ended before it began.

    Raises NoImage, and NotConfigured while something that it refers to is missing.
    """
    image = node.images(container["image"])
    if image is None:
        raise NoImage(container["image"])
    place = Place(folder, node.path, node.lang)
    environment = build_environment(node.store, pod, container, image, place, mounts)
    argv = build_command(container, image, environment, mounts)
    cwd = _working_folder(container, folder, mounts)
    program = find_program(argv[0], environment, cwd) if argv else None
    if program is None:
        name = argv[0] if argv else ""
        message = f'exec: "{name}": executable file not found in $PATH'
        return Exit(128, node.now(), "StartError", message)
    return Launch(program, argv, environment, cwd)


def _working_folder(container: Json, folder: Path, mounts: Mounts) -> Path:
    """An absolute folder of the image lies below the pod's own root here."""
    wanted = container.get("workingDir") or "/"
    mounted = mounts.rewrite(wanted)
    found = folder / "root" / wanted.lstrip("/") if mounted == wanted else Path(mounted)
    found.mkdir(mode=0o700, parents=True, exist_ok=True)
    return found
