"""What the pages about deploying say is so."""

import re
import subprocess

import pytest

from tests.manifests import crds
from tests.manifests.build import OVERLAYS, TIERS, needs_kubectl, overlay
from tests.manifests.objects import ROOT, at

PAGES = [
    "docs/deploy.md",
    "docs/upgrade.md",
    "docs/add-a-function.md",
    "docs/diagrams.md",
    "infra/README.md",
]
ROOTS = ("functions", "eventing", "common", "knative", "infra", "trainer", "tests", "docs")
PARTS = {
    "KNATIVE_SERVING": "Knative Serving",
    "KOURIER": "net-kourier",
    "KNATIVE_EVENTING": "Knative Eventing",
    "ENVOY_GATEWAY": "Envoy Gateway",
    "CLOUDNATIVE_PG": "CloudNativePG",
}


def text(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def pinned() -> dict[str, str]:
    lines = text("infra/kind/versions.env").splitlines()
    return {PARTS[name]: version for name, version in (line.split("=") for line in lines)}


@pytest.mark.parametrize("page", PAGES)
def test_a_page_names_only_what_is_there(page: str) -> None:
    named = re.findall(rf"`((?:{'|'.join(ROOTS)})/[\w./-]+)`", text(page))
    linked = [f"{page}/../{link}" for link in re.findall(r"\]\((?!http)([\w./-]+)\)", text(page))]
    missing = [path for path in [*named, *linked] if not (ROOT / path).resolve().exists()]
    assert missing == []


def test_the_versions_of_the_page_are_those_that_kind_installs() -> None:
    rows = dict(re.findall(r"^\| ([\w -]+) \| ([\d.]+) \|", text("docs/deploy.md"), re.MULTILINE))
    assert rows == pinned()


@pytest.mark.skipif(not crds.FOLDER.is_dir(), reason="no definitions in ../shared/crds")
def test_the_versions_are_those_that_objects_are_checked_against() -> None:
    origin = (crds.FOLDER / "README.md").read_text(encoding="utf-8")
    versions = pinned()
    assert f"knative/serving | knative-v{versions['Knative Serving']} |" in origin
    assert f"knative/eventing | knative-v{versions['Knative Eventing']} |" in origin
    page = " ".join(text("docs/deploy.md").split())
    for project, name in (
        ("kubernetes-sigs/gateway-api", "Gateway API"),
        ("kubernetes-sigs/kueue", "Kueue"),
    ):
        (version,) = set(re.findall(rf"\| {project} \| v([\d.]+) \|", origin))
        assert f"{name} {version}" in page


def test_every_tier_and_every_component_is_described() -> None:
    assert {folder.name for folder in OVERLAYS.iterdir() if folder.is_dir()} == set(TIERS)
    assert all(f"infra/overlays/{tier})" in text("docs/deploy.md") for tier in TIERS)
    rows = set(re.findall(r"^\| `([\w-]+)` \| .* \| .* \|$", text("infra/README.md"), re.MULTILINE))
    assert rows == {folder.name for folder in (ROOT / "infra" / "components").iterdir()}


@needs_kubectl
def test_every_image_that_a_tier_runs_is_named() -> None:
    pods = [o for tier in TIERS for o in overlay(tier)]
    images = {*at(pods, "spec/template/spec/containers/image")}
    images |= {*at(pods, "spec/template/spec/initContainers/image")}
    short = {re.sub(r"^.*?(eventrain/[\w-]+):.*$", r"\1", image) for image in images}
    assert [name for name in short if f"`{name}`" not in text("docs/deploy.md")] == []


def test_the_diagrams_name_every_function() -> None:
    names = {p.parent.name.replace("_", "-") for p in (ROOT / "functions").glob("*/app.py")}
    components = text("docs/diagrams.md").partition("## Topology")[0]
    assert {name for name in names if name not in components} == set()


def test_the_script_for_a_laptop_can_be_read_by_a_shell() -> None:
    script = ROOT / "infra" / "kind" / "up.sh"
    assert script.stat().st_mode & 0o111
    subprocess.run(["bash", "-n", script], check=True)
