"""What each framework takes and what its parameters may be, as frameworks.json says.

The file is written from the manifests of the trainer by `python -m infra.deploy.frameworks`: the
control plane knows no code of the trainer's.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from jsonschema_rs import Draft202012Validator


class Takes(msgspec.Struct, frozen=True):
    """Formats are endings of file names, and `folder` for several files; none named: not known.
    `gpu` says whether it uses one that it has."""

    dataset: list[str] = []
    model: list[str] = []
    gpu: bool = False


class Manifest(msgspec.Struct, frozen=True):
    """A framework as its own manifest tells it. `aliases` are other names of parameters."""

    title: str
    description: str
    takes: Takes
    leaves: list[str]
    aliases: dict[str, str]
    parameters: dict[str, Any]

    @property
    def defaults(self) -> dict[str, Any]:
        properties: dict[str, dict[str, Any]] = self.parameters.get("properties", {})
        return {name: each["default"] for name, each in properties.items() if "default" in each}


class Frameworks:
    """The manifests of one version of the file. A schema is compiled when it is first asked for,
    once: whoever never checks parameters never loads what does."""

    def __init__(self, manifests: Mapping[str, Manifest]) -> None:
        self._manifests = dict(manifests)
        self._validators: dict[str, Draft202012Validator] = {}

    def __iter__(self) -> Iterator[str]:
        return iter(self._manifests)

    def get(self, name: str) -> Manifest | None:
        return self._manifests.get(name)

    def validator(self, name: str) -> "Draft202012Validator":
        """Of a framework that is there."""
        if name not in self._validators:
            from jsonschema_rs import Draft202012Validator

            self._validators[name] = Draft202012Validator(self._manifests[name].parameters)
        return self._validators[name]


def parse(content: bytes) -> Frameworks:
    """Raises msgspec.MsgspecError."""
    return Frameworks(msgspec.json.decode(content, type=dict[str, Manifest]))
