"""What an environment is made of, and where it lies.

    trainer/pyproject.toml      an extra for each framework: what it needs, by people
    trainer/locks/<name>.txt    all that comes with that, each at one version, with its digests
    .venvs/trainer-<name>/      the environment; `.made` names the recipe that it was made by

torch is no part of a lock: which build of it is right, and what that build brings, is the
machine's affair. The extra says which version.
"""

import hashlib
import json
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml

PREFIX = "trainer-"
# An image with another build of torch in it has the same environment here.
VARIANT = "-cuda"
MADE = ".made"


@dataclass(frozen=True)
class Recipe:
    """Of one framework's environment in a clone."""

    clone: Path
    name: str

    @property
    def folder(self) -> Path:
        return self.clone / ".venvs" / f"{PREFIX}{self.name}"

    @property
    def draft(self) -> Path:
        """Where it is made; nobody looks here for one that is whole."""
        return self.folder.with_name(f".{self.folder.name}.draft")

    @property
    def guard(self) -> Path:
        """Locked by whoever makes it."""
        return self.folder.with_name(f".{self.folder.name}.lock")

    @property
    def log(self) -> Path:
        return self.folder.with_name(f"{self.folder.name}.log")

    @property
    def lock(self) -> Path:
        return self.clone / "trainer" / "locks" / f"{self.name}.txt"

    @property
    def is_known(self) -> bool:
        return self.lock.is_file()

    @property
    def requirements(self) -> Sequence[str]:
        """What the framework needs itself."""
        project = _project(self.clone)
        return [*project["dependencies"], *project["optional-dependencies"][self.name]]

    @property
    def manifest(self) -> Path:
        frameworks = self.clone / "trainer" / "src" / "eventrain_trainer" / "frameworks"
        return frameworks / self.name / "manifest.yaml"

    @property
    def imports(self) -> Sequence[str]:
        """The modules without which it is not whole."""
        if not self.manifest.is_file():
            return ["eventrain_trainer"]
        told = cast("dict[str, Any]", yaml.safe_load(self.manifest.read_text(encoding="utf-8")))
        return ["eventrain_trainer", *told.get("imports", ())]

    @property
    def digest(self) -> str:
        """Changes when another environment would come out."""
        parts = {
            "python": list(sys.version_info[:2]),
            "requirements": self.requirements,
            "lock": self.lock.read_text(encoding="utf-8"),
        }
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    @property
    def is_made(self) -> bool:
        made = self.folder / MADE
        return made.is_file() and made.read_text(encoding="utf-8").strip() == self.digest


def known(clone: Path) -> list[str]:
    """The frameworks that have a lock."""
    return sorted(path.stem for path in (clone / "trainer/locks").glob("*.txt"))


def name_in(image: str) -> str | None:
    """The framework that an image's reference names, if any."""
    name = image.rpartition("/")[2].partition("@")[0].partition(":")[0]
    return name.removeprefix(PREFIX).removesuffix(VARIANT) if name.startswith(PREFIX) else None


def _project(clone: Path) -> dict[str, Any]:
    text = (clone / "trainer" / "pyproject.toml").read_text(encoding="utf-8")
    return cast("dict[str, Any]", tomllib.loads(text)["project"])
