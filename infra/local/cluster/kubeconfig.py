"""The file that tells a Kubernetes client where this server is."""

import yaml

_NAME = "eventrain-local"


def write_kubeconfig(address: str, token: str, namespace: str) -> str:
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": _NAME, "cluster": {"server": address}}],
        "users": [{"name": _NAME, "user": {"token": token}}],
        "contexts": [
            {"name": _NAME, "context": {"cluster": _NAME, "user": _NAME, "namespace": namespace}}
        ],
        "current-context": _NAME,
    }
    return yaml.safe_dump(config, sort_keys=False)
