"""`python -m infra.deploy.frameworks`: writes config/frameworks.json from the trainer's manifests.

The control plane checks a job's parameters by what the framework declares, and knows nothing else
of it: this file is all that goes across.
"""

import json
from pathlib import Path
from typing import Any, cast

import yaml

CLONE = Path(__file__).parents[2]
MANIFESTS = CLONE / "trainer" / "src" / "eventrain_trainer" / "frameworks"
FILE = CLONE / "infra" / "base" / "config" / "frameworks.json"


def main() -> None:
    FILE.write_text(text(MANIFESTS), encoding="utf-8")


def text(folder: Path) -> str:
    """What the file holds for the manifests below this folder."""
    found = [_read(path) for path in sorted(folder.glob("*/manifest.yaml"))]
    return json.dumps({each["name"]: _told(each) for each in found}, indent=1) + "\n"


def _told(manifest: dict[str, Any]) -> dict[str, Any]:
    takes = manifest["takes"]
    return {
        "title": manifest["title"],
        "description": manifest["description"],
        "takes": {name: takes[name] for name in ("dataset", "model", "gpu")},
        "leaves": manifest["leaves"],
        "aliases": manifest.get("aliases", {}),
        "parameters": manifest["parameters"],
    }


def _read(path: Path) -> dict[str, Any]:
    return cast("dict[str, Any]", yaml.safe_load(path.read_text(encoding="utf-8")))


if __name__ == "__main__":
    main()
