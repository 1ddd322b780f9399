"""The variables that a function reads are those that its Service sets."""

import base64
import importlib
import json
from collections.abc import Iterator, Mapping

import pytest

from tests.manifests.objects import BASE, ROOT, Manifest, at, name_of, of_kind, services

FUNCTIONS = sorted(path.parent.name for path in (ROOT / "functions").glob("*/app.py"))
KEYS = json.dumps(
    {
        "signing": "k1",
        "keys": {"k1": {"secret": base64.b64encode(bytes(32)).decode(), "retired_at": None}},
    }
)
SECRETS = {"url": "postgresql://u:p@127.0.0.1:1/none", "keys.json": KEYS}
# Set everywhere, for the entry point; those with a database also sign their connections with it.
EVERYWHERE = {"FUNCTION_TARGET", "LOG_LEVEL"}
# On a laptop, where there is no service account; where the broker asks for a token, by a component.
NEVER_SET = {"KUBECONFIG", "BROKER_TOKEN_FILE"}


class Recording(Mapping[str, str]):
    """An environment that remembers what was asked of it."""

    def __init__(self, values: dict[str, str]) -> None:
        self._values = values
        self.asked: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.asked.add(name)
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def environment_of(service: Manifest) -> dict[str, str]:
    (plain,) = (o["data"] for o in of_kind("ConfigMap") if name_of(o) == "eventrain")
    found: dict[str, str] = {}
    for entry in at(service, "spec/template/spec/containers/env"):
        source = entry.get("valueFrom", {})
        if "secretKeyRef" in source:
            found[entry["name"]] = SECRETS.get(source["secretKeyRef"]["key"], "secret")
        elif "configMapKeyRef" in source:
            found[entry["name"]] = plain.get(source["configMapKeyRef"]["key"], "")
        else:
            found[entry["name"]] = entry["value"]
    return found


@pytest.mark.parametrize("folder", FUNCTIONS)
def test_a_function_reads_what_its_service_sets_and_nothing_else(folder: str) -> None:
    (service,) = (s for s in services() if name_of(s) == folder.replace("_", "-"))
    values = environment_of(service)
    if "CONFIG_DIR" in values:
        values["CONFIG_DIR"] = str(BASE / "config")
    environ = Recording(values)
    importlib.import_module(f"functions.{folder}.app").create_app(environ)
    assert environ.asked - NEVER_SET - EVERYWHERE == values.keys() - EVERYWHERE
    assert values.keys() >= EVERYWHERE
