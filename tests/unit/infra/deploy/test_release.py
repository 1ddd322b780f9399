"""Which images a tier runs."""

from pathlib import Path

import pytest
import yaml

from infra.deploy import release
from infra.deploy.release import OVERLAYS, Release

DIGEST = "sha256:" + "0123456789abcdef" * 4
TIERS = ("dev", "stg", "prod")


def component(made: Release) -> dict[str, object]:
    return yaml.safe_load(release.files(made)["kustomization.yaml"])


class TestRelease:
    @pytest.mark.parametrize(
        ("functions", "suffix"),
        [("0.1.0", "0-1-0"), ("V2_rc.1", "v2-rc-1"), (DIGEST, "0123456789ab")],
    )
    def test_names_the_migration_after_tag_or_digest(self, functions: str, suffix: str) -> None:
        assert Release("", functions, "0.1.0").suffix == suffix
        text = release.files(Release("", functions, "0.1.0"))["kustomization.yaml"]
        assert f"value: migrate-{suffix}\n" in text

    def test_pins_the_functions_by_digest_where_there_is_one(self) -> None:
        made = component(Release("registry.example.com/", DIGEST, "0.1.0"))
        assert made["images"][0] == {  # type: ignore[index]
            "name": "eventrain/functions",
            "newName": "registry.example.com/eventrain/functions",
            "digest": DIGEST,
        }

    def test_moves_trainers_to_the_registry_and_leaves_all_else(self) -> None:
        text = release.files(Release("registry.example.com/", "2.0", "2.0"))["trainers.yaml"]
        trainers = yaml.safe_load(text)
        assert trainers["allowedImages"] == ["registry.example.com/eventrain/trainer-*:*"]
        image = trainers["frameworks"]["sklearn"]["images"]["cpu"]
        assert image == "registry.example.com/eventrain/trainer-sklearn:2.0"
        back = text.replace("registry.example.com/", "").replace(":2.0", ":0.1.0")
        base = OVERLAYS.parent / "base" / "config" / "trainers.yaml"
        assert back == base.read_text(encoding="utf-8")

    def test_brings_no_trainers_where_those_of_the_base_will_do(self) -> None:
        assert set(release.files(Release("", "0.1.0", "0.1.0"))) == {"kustomization.yaml"}

    def test_replaces_the_release_before_it(self, tmp_path: Path) -> None:
        release.write(Release("registry.example.com/", "0.1.0", "0.1.0"), tmp_path)
        release.write(Release("", "0.1.0", "0.1.0"), tmp_path)
        assert [file.name for file in tmp_path.iterdir()] == ["kustomization.yaml"]


@pytest.mark.parametrize("tier", TIERS)
def test_a_tier_runs_what_the_tool_wrote(tier: str) -> None:
    folder = OVERLAYS / tier / "release"
    found = {file.name: file.read_text(encoding="utf-8") for file in folder.iterdir()}
    image = yaml.safe_load(found["kustomization.yaml"])["images"][0]
    registry = image["newName"].removesuffix("eventrain/functions")
    tag = image.get("digest") or image["newTag"]
    given = Release(registry, tag, _trainers_tag(found) or tag)
    command = f"python -m infra.deploy.release {tier} {registry.rstrip('/') or '-'} {tag}"
    assert found == release.files(given), f"config/trainers.yaml changed? Run {command}"


def _trainers_tag(found: dict[str, str]) -> str | None:
    text = found.get("trainers.yaml")
    if text is None:
        return None
    frameworks = yaml.safe_load(text)["frameworks"]
    return frameworks["sklearn"]["images"]["cpu"].rpartition(":")[2]


@pytest.mark.parametrize("tier", TIERS)
def test_a_tier_runs_the_trainers_that_the_base_has_now(tier: str) -> None:
    """A change of the base reaches no tier by itself: write its release again."""
    folder = OVERLAYS / tier / "release"
    written = {file.name: file.read_text(encoding="utf-8") for file in folder.iterdir()}
    functions = yaml.safe_load(written["kustomization.yaml"])["images"][0]
    registry = functions["newName"].removesuffix("eventrain/functions")
    tag = functions.get("newTag") or functions["digest"]
    (trainers,) = {tag for _, tag in release.SHIPPED.findall(written["trainers.yaml"])} - {"*"}
    again = f"python -m infra.deploy.release {tier} {registry} {tag} --tag {trainers}"
    assert written == release.files(Release(registry, tag, trainers)), again
