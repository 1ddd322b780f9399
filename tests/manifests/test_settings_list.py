"""One list of settings: the ConfigMap, the Services and each tier's templates hold to it."""

import re
from pathlib import Path

import pytest

from tests.manifests.build import OVERLAYS, TIERS
from tests.manifests.objects import BASE, at, name_of, of_kind, read_yaml, services
from tests.manifests.settings_list import LIST, PLAIN, SECRET, secrets

ENV = "spec/template/spec/containers/env"


def keys_of(template: Path) -> set[str]:
    lines = template.read_text(encoding="utf-8").splitlines()
    return {line.partition("=")[0] for line in lines}


def test_the_config_map_has_a_value_for_each_plain_setting_that_is_not_optional() -> None:
    (values,) = (o["data"] for o in of_kind("ConfigMap") if name_of(o) == "eventrain")
    assert values.keys() == {name for name, row in PLAIN.items() if not row.get("optional")}


def test_functions_take_plain_settings_from_the_config_map_by_their_own_names() -> None:
    entries = [
        e for s in services() for e in at(s, ENV) if "configMapKeyRef" in e.get("valueFrom", {})
    ]
    taken = {(e["name"], e["valueFrom"]["configMapKeyRef"]["key"]) for e in entries}
    assert taken == {(name, name) for name in PLAIN}


def test_functions_take_each_secret_as_the_variable_that_the_list_names() -> None:
    entries = [
        e for s in services() for e in at(s, ENV) if "secretKeyRef" in e.get("valueFrom", {})
    ]
    references = [(e["name"], e["valueFrom"]["secretKeyRef"]) for e in entries]
    taken = {(variable, ref["name"], ref["key"]) for variable, ref in references}
    assert taken == {
        (row["sets"], secret, key)
        for secret, keys in SECRET.items()
        for key, row in keys.items()
        if "sets" in row
    }


def test_what_is_written_into_a_service_is_on_the_list() -> None:
    written = {e["name"] for s in services() for e in at(s, ENV) if "value" in e}
    wanted = {name for name, row in LIST["literal"].items() if "component" not in row}
    assert written == wanted


def test_every_setting_says_what_it_is() -> None:
    rows = [*PLAIN.values(), *LIST["literal"].values(), *LIST["laptop"].values()]
    rows += [row for keys in SECRET.values() for row in keys.values()]
    assert all(row["says"] for row in rows)


def test_the_base_writes_its_values_in_order_and_once() -> None:
    names = re.findall("^([A-Z0-9_]+)=", (BASE / "eventrain.env").read_text("utf-8"), re.MULTILINE)
    assert names == sorted(set(names))


@pytest.mark.parametrize("tier", TIERS)
class TestTemplates:
    def wanted(self, tier: str) -> dict[str, set[str]]:
        listed = read_yaml(OVERLAYS / tier / "kustomization.yaml")["components"]
        return secrets(*(path.rpartition("/")[2] for path in listed))

    def test_are_there_for_each_secret_of_the_tier_and_ask_for_its_keys(self, tier: str) -> None:
        templates = {
            f"eventrain-{file.name.removesuffix('.env.example')}": keys_of(file)
            for file in (OVERLAYS / tier / "secrets").glob("*.env.example")
        }
        assert templates == self.wanted(tier)

    def test_are_what_the_kustomization_makes_secrets_of(self, tier: str) -> None:
        kustomization = read_yaml(OVERLAYS / tier / "secrets" / "kustomization.yaml")
        assert kustomization["generatorOptions"]["disableNameSuffixHash"] is True
        made = {entry["name"]: entry["envs"] for entry in kustomization["secretGenerator"]}
        assert made == {
            name: [f"{name.removeprefix('eventrain-')}.env"] for name in self.wanted(tier)
        }

    def test_hold_no_value_that_is_secret(self, tier: str) -> None:
        for file in (OVERLAYS / tier / "secrets").glob("*.env.example"):
            for line in file.read_text(encoding="utf-8").splitlines():
                assert "<" in line or line == "username=eventrain"


def test_filled_in_templates_are_never_committed() -> None:
    ignored = (OVERLAYS / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert [line for line in ignored if not line.startswith("#")] == ["*.env", "!*/eventrain.env"]
