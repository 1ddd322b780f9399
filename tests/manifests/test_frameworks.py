"""What a framework says of itself, in its manifest, is what everything else goes by."""

import re
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from infra.deploy import frameworks
from tests.manifests.objects import BASE, ROOT, read_yaml

MANIFESTS = {
    path.parent.name: read_yaml(path) for path in frameworks.MANIFESTS.glob("*/manifest.yaml")
}
CONFIGURED: dict[str, Any] = read_yaml(BASE / "config" / "trainers.yaml")["frameworks"]
EXTRAS: dict[str, list[str]] = tomllib.loads(
    (ROOT / "trainer" / "pyproject.toml").read_text(encoding="utf-8")
)["project"]["optional-dependencies"]
# What MLflow's autologging needs, whatever it logs.
AUTOLOGGING = {"matplotlib", "mlflow-skinny", "pandas"}


def own(requirements: list[str]) -> set[str]:
    return {each for each in requirements if re.split(r"[=<>]", each)[0] not in AUTOLOGGING}


def test_the_control_plane_has_what_the_manifests_say() -> None:
    written = frameworks.FILE.read_text(encoding="utf-8")
    again = "a manifest changed? Run python -m infra.deploy.frameworks"
    assert written == frameworks.text(frameworks.MANIFESTS), again


def test_every_tier_gets_them_with_its_configuration() -> None:
    (generator,) = (
        each
        for each in read_yaml(BASE / "kustomization.yaml")["configMapGenerator"]
        if each["name"] == "eventrain-config"
    )
    files = {Path(file).name for file in generator["files"]}
    assert files == {file.name for file in (BASE / "config").iterdir()}


@pytest.mark.parametrize("name", MANIFESTS)
class TestManifest:
    def test_has_the_name_of_its_folder_and_is_configured(self, name: str) -> None:
        assert MANIFESTS[name]["name"] == name
        assert CONFIGURED[name]["jobTypes"] == MANIFESTS[name]["takes"]["job_types"]

    def test_needs_what_its_extra_installs(self, name: str) -> None:
        assert own(EXTRAS[name]) == own(MANIFESTS[name]["requirements"])
        named = {re.split(r"[=<>]", each)[0] for each in EXTRAS[name]}
        assert named >= AUTOLOGGING

    def test_has_a_schema_whose_defaults_satisfy_it(self, name: str) -> None:
        schema = MANIFESTS[name]["parameters"]
        jsonschema.Draft202012Validator.check_schema(schema)
        for parameter, asked in schema["properties"].items():
            if "default" in asked:
                jsonschema.validate({parameter: asked["default"]}, schema)

    def test_says_what_must_import(self, name: str) -> None:
        assert MANIFESTS[name]["imports"]

    def test_has_the_architecture_that_jobs_from_scratch_must_name(self, name: str) -> None:
        assert "architecture" in MANIFESTS[name]["parameters"]["properties"]

    def test_gives_no_parameter_two_meanings(self, name: str) -> None:
        properties = MANIFESTS[name]["parameters"]["properties"]
        for alias, known in MANIFESTS[name]["aliases"].items():
            assert alias not in properties
            assert known in properties
