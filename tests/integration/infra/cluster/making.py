"""The cluster that these tests run on."""

import sys
from pathlib import Path
from typing import Any

from infra.local.cluster import Cluster, Image

NAMESPACE = "trainers"
TOKEN = "a-token"
PYTHON = Image(Path(sys.executable).parent, {"FROM_IMAGE": "yes"})


def images(name: str) -> Image | None:
    return PYTHON if name.startswith("eventrain/") else None


def make_cluster(folder: Path, **settings: Any) -> Cluster:
    given = {"images": images, "capacity": {"cpu": "4", "memory": "8Gi", "nvidia.com/gpu": "1"}}
    return Cluster(folder, token=TOKEN, namespaces=[NAMESPACE, "other"], **given | settings)
