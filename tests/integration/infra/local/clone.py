"""A small clone: manifests of one function, its program, and a migration that does nothing."""

import json
import shutil
from pathlib import Path
from typing import Any

import yaml

NAMESPACE = "eventrain"
PROGRAM = Path(__file__).with_name("small_function.py")


class Clone:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.seen = folder / "seen.jsonl"
        self.seen.parent.mkdir(parents=True)
        shutil.copy(PROGRAM, folder / "small_function.py")
        (folder / "common").mkdir()
        (folder / "common/migrate.py").write_text("")
        (folder / "common/__init__.py").touch()
        (folder / "infra/base/config").mkdir(parents=True)
        self.write("eventing/broker.yaml", "Broker", "eventrain", {}, group="eventing.knative.dev")
        self.add_route("small", "/small")

    def entries(self, path: str = "/") -> list[dict[str, Any]]:
        lines = self.seen.read_text().splitlines() if self.seen.exists() else []
        return [entry for entry in map(json.loads, lines) if entry["path"] == path]

    def answer_with(self, *statuses: int) -> None:
        """One after the other; the last one from then on."""
        self.seen.with_suffix(".plan").write_text(" ".join(map(str, statuses)))

    def add_function(self, name: str, *, annotations: Any = None, **spec: Any) -> None:
        container = {
            "command": ["python", "small_function.py"],
            "env": [{"name": "SEEN", "value": str(self.seen)}],
            "readinessProbe": {"httpGet": {"path": "/readyz"}},
        }
        template = {
            "metadata": {"annotations": annotations or {}},
            "spec": {**spec, "containers": [container]},
        }
        whole = {"template": template}
        self.write(
            f"knative/services/{name}.yaml", "Service", name, whole, group="serving.knative.dev"
        )

    def add_route(self, name: str, prefix: str) -> None:
        rewrite = {"hostname": f"{name}.{NAMESPACE}.svc.cluster.local"}
        rule = {
            "matches": [{"path": {"type": "PathPrefix", "value": prefix}}],
            "filters": [{"type": "URLRewrite", "urlRewrite": rewrite}],
        }
        whole = {"rules": [rule]}
        self.write(
            f"knative/routes/{name}.yaml", "HTTPRoute", name, whole, group="gateway.networking"
        )

    def add_trigger(self, name: str, **spec: Any) -> None:
        subscriber = {"ref": {"kind": "Service", "name": "small"}}
        whole = {"broker": "eventrain", "subscriber": subscriber, **spec}
        self.write(
            f"eventing/triggers/{name}.yaml", "Trigger", name, whole, group="eventing.knative.dev"
        )

    def add_clock(self, **spec: Any) -> None:
        sink = {"ref": {"kind": "Broker", "name": "eventrain"}}
        whole = {"sink": sink, **spec}
        self.write("eventing/clock.yaml", "PingSource", "tick", whole, group="sources.knative.dev")

    def write(self, file: str, kind: str, name: str, spec: Any, *, group: str) -> None:
        path = self.folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        metadata = {"name": name, "namespace": NAMESPACE}
        whole = {"apiVersion": f"{group}/v1", "kind": kind, "metadata": metadata, "spec": spec}
        path.write_text(yaml.safe_dump(whole))
