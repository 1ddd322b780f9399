"""Whether an API server would take an object as it stands, unknown fields refused."""

from typing import Any

import jsonschema
import kubernetes_validate

from tests.manifests import crds
from tests.manifests.objects import Manifest, group_of, label

BUILT_IN = ("", "apps", "batch", "networking.k8s.io", "rbac.authorization.k8s.io")
# Kinds whose definitions are not at hand: nothing is said of them here.
UNCHECKED = {
    ("postgresql.cnpg.io/v1", "Cluster"),
    ("gateway.networking.k8s.io/v1", "GatewayClass"),
}


def is_checked(manifest: Manifest) -> bool:
    return (manifest["apiVersion"], manifest["kind"]) not in UNCHECKED


def violations(manifest: Manifest) -> list[str]:
    """What is wrong with the object; nothing for a kind that cannot be checked."""
    if group_of(manifest) in BUILT_IN:
        return [f"{label(manifest)} {problem}" for problem in _of_built_in(manifest)]
    if not is_checked(manifest):
        return []
    return [f"{label(manifest)} {problem}" for problem in _of_custom(manifest)]


def _of_built_in(manifest: Manifest) -> list[str]:
    newest = kubernetes_validate.latest_version().rpartition(".")[0]
    try:
        kubernetes_validate.validate(manifest, newest, strict=True)
    except kubernetes_validate.ValidationError as wrong:
        return [wrong.message]
    return []


def _of_custom(manifest: Manifest) -> list[str]:
    schema = crds.schemas()[manifest["apiVersion"], manifest["kind"]]
    found: Any = jsonschema.Draft202012Validator(schema).iter_errors(manifest)
    return [f"{error.json_path}: {error.message}" for error in found]
