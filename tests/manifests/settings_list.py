"""infra/settings.yaml: every setting of the functions, once."""

from typing import Any

from tests.manifests.objects import ROOT, read_yaml

LIST: dict[str, dict[str, Any]] = read_yaml(ROOT / "infra" / "settings.yaml")
PLAIN = LIST["plain"]
SECRET = LIST["secret"]


def secrets(*components: str) -> dict[str, set[str]]:
    """Secrets and their keys, with those that only these components need."""
    wanted = {None, *components}
    kept = {
        name: {key for key, row in keys.items() if row.get("component") in wanted}
        for name, keys in SECRET.items()
    }
    return {name: keys for name, keys in kept.items() if keys}
