"""What kustomize makes of a folder, by the kubectl that an operator would use."""

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest
import yaml

from tests.manifests.objects import ROOT, Manifest

OVERLAYS = ROOT / "infra" / "overlays"
TIERS = ("dev", "stg", "prod")
KUBECTL = shutil.which("kubectl")

needs_kubectl = pytest.mark.skipif(
    KUBECTL is None, reason="no kubectl on the PATH: overlays are not built and so not checked"
)


@cache
def build(folder: Path) -> tuple[Manifest, ...]:
    """Every object, in kustomize's order. Fails with kustomize's own words."""
    assert KUBECTL
    command = [KUBECTL, "kustomize", folder]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    return tuple(yaml.load_all(made.stdout, Loader=yaml.CSafeLoader))


def with_component(folder: Path, tier: str, component: str) -> tuple[Manifest, ...]:
    """A tier with one component more, as an overlay written into this empty folder has it."""
    kustomization = {
        "resources": [os.path.relpath(OVERLAYS / tier, folder)],
        "components": [os.path.relpath(ROOT / "infra" / "components" / component, folder)],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization), encoding="utf-8")
    return build(folder)


def overlay(tier: str) -> tuple[Manifest, ...]:
    return build(OVERLAYS / tier)
