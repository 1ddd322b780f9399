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


@dataclass(frozen=True)
class Pull:
    """What is done about an image that is not here yet, or why that did not work; it is tried
    again then."""

    told: str
    failed: bool = False


Images = Callable[[str], Image | Pull | None]


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
    """Nothing here stands for the image of that name, or nothing yet; says why."""

    def __init__(self, image: str, reason: str) -> None:
        super().__init__(reason)
        self.image = image


class Pulling(NoImage):
    """The image will be there when what is said is done."""


def prepare(
    node: NodeContext, pod: Json, container: Json, folder: Path, mounts: Mounts
) -> Launch | Exit:
    """What to run, or how it ended before it began.

    Raises NoImage or Pulling, and NotConfigured while something that it refers to is missing.
    """
    image = _image(node, container["image"])
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


def _image(node: NodeContext, reference: str) -> Image:
    match node.images(reference):
        case Image() as image:
            return image
        case Pull(told, failed):
            raise (NoImage if failed else Pulling)(reference, told)
        case None:
            raise NoImage(reference, "not found on this machine")


def _working_folder(container: Json, folder: Path, mounts: Mounts) -> Path:
    """An absolute folder of the image lies below the pod's own root here."""
    wanted = container.get("workingDir") or "/"
    mounted = mounts.rewrite(wanted)
    found = folder / "root" / wanted.lstrip("/") if mounted == wanted else Path(mounted)
    found.mkdir(mode=0o700, parents=True, exist_ok=True)
    return found
