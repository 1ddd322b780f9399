"""The Secrets of a tier, made from its templates and built."""

import shutil
from pathlib import Path

import pytest

from infra.deploy import secret
from tests.manifests.build import OVERLAYS, TIERS, build, needs_kubectl
from tests.manifests.objects import name_of, read_yaml
from tests.manifests.settings_list import secrets
from tests.manifests.validity import violations


@needs_kubectl
@pytest.mark.parametrize("tier", TIERS)
def test_templates_become_the_secrets_that_the_tier_names(tier: str, tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    ours = shutil.ignore_patterns("*.env")
    shutil.copytree(OVERLAYS / tier / "secrets", folder, ignore=ours)
    secret.make(folder)
    made = build(folder)
    listed = read_yaml(OVERLAYS / tier / "kustomization.yaml")["components"]
    wanted = secrets(*(path.rpartition("/")[2] for path in listed))
    assert {name_of(o): set(o["data"]) for o in made} == wanted
    assert {o["metadata"]["namespace"] for o in made} == {"eventrain"}
    assert [problem for o in made for problem in violations(o)] == []
