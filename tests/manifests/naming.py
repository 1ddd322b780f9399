"""What an object names: (kind, namespace, name) of each reference in it, wherever it stands."""

from collections.abc import Callable, Iterator
from typing import Any

from tests.manifests.objects import Manifest

Target = tuple[str, str | None, str]
Node = dict[str, Any]

# A key whose value is a name, or an object with one, and the kind that it names.
BY_NAME = {
    "configMapKeyRef": "ConfigMap",
    "configMapRef": "ConfigMap",
    "configMap": "ConfigMap",
    "secretKeyRef": "Secret",
    "secretRef": "Secret",
    "certificateRefs": "Secret",
    "parentRefs": "Gateway",
    "backendRefs": "Service",
    "flavors": "ResourceFlavor",
}
BY_VALUE = {
    "serviceAccountName": "ServiceAccount",
    "secretName": "Secret",
    "claimName": "PersistentVolumeClaim",
    "gatewayClassName": "GatewayClass",
    "broker": "Broker",
    "clusterQueue": "ClusterQueue",
}
# Objects that say which kind they name.
BY_KIND = {"ref", "roleRef", "subjects", "reference", "config"}
NOT_IN_A_NAMESPACE = {"ClusterQueue", "GatewayClass", "Namespace", "ResourceFlavor"}


def names(manifest: Manifest) -> Iterator[Target]:
    """Every reference of the object; one without a namespace is to its own."""
    own = manifest["metadata"].get("namespace")
    for key, node in _nodes({k: v for k, v in manifest.items() if k != "metadata"}):
        for kind, namespace, name in _target(key, node):
            yield kind, None if kind in NOT_IN_A_NAMESPACE else namespace or own, name


def _nodes(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, list):
        for item in value:
            yield from _nodes(item, key)
        return
    yield key, value
    if isinstance(value, dict):
        for inner_key, inner in value.items():
            yield from _nodes(inner, inner_key)


def _target(key: str, node: Any) -> Iterator[Target]:
    if isinstance(node, str):
        if key in BY_VALUE:
            yield BY_VALUE[key], None, node
    elif isinstance(node, dict) and isinstance(node.get("name"), str):
        yield from _object(key, node)


def _object(key: str, node: Node) -> Iterator[Target]:
    if key in BY_NAME and not node.get("optional"):
        yield node.get("kind", BY_NAME[key]), node.get("namespace"), node["name"]
    elif key in BY_KIND and "kind" in node:
        yield node["kind"], node.get("namespace"), node["name"]
    elif key == "secret":
        yield "Secret", node.get("namespace"), node["name"]


def existing(objects: tuple[Manifest, ...]) -> set[Target]:
    return {(o["kind"], o["metadata"].get("namespace"), o["metadata"]["name"]) for o in objects}


def dangling(
    objects: tuple[Manifest, ...], is_given: Callable[[Target], bool]
) -> list[tuple[str, Target]]:
    """References to what is neither among the objects nor given from outside."""
    there = existing(objects)
    return [
        (f"{o['kind']}/{o['metadata']['name']}", target)
        for o in objects
        for target in names(o)
        if target not in there and not is_given(target)
    ]
