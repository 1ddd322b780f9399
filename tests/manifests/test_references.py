"""Everything that an object names exists, and kustomize knows of every such name."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.manifests.objects import (
    BASE,
    ROOT,
    Manifest,
    at,
    base,
    group_of,
    label,
    name_of,
    of_kind,
    read_yaml,
    services,
)
from tests.manifests.settings_list import secrets

REFERENCES = read_yaml(BASE / "name-reference.yaml")["nameReference"]
SECRETS = secrets()
KNOWN_TO_KUSTOMIZE = {"", "batch", "networking.k8s.io"}
OUTSIDE = {("kourier-system", "kourier-internal")}


def fields_of(manifest: Manifest) -> Iterator[tuple[str, str, str]]:
    """(kind, path, value) of each reference that name-reference.yaml knows in this object."""
    for target in REFERENCES:
        for field in target["fieldSpecs"]:
            if (field["group"], field["kind"]) == (group_of(manifest), manifest["kind"]):
                for value in at(manifest, field["path"]):
                    yield target["kind"], field["path"], value


def leaves(value: Any, path: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, f"{path}/{key}" if path else key)
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item, path)
    else:
        yield path


def is_reference(path: str) -> bool:
    parent, _, last = path.rpartition("/")
    holder = parent.rpartition("/")[2].lower()
    return (last == "name" and holder.endswith(("ref", "refs", "configmap"))) or last in (
        "serviceAccountName",
        "secretName",
        "broker",
    )


@pytest.mark.parametrize("manifest", base(), ids=label)
def test_what_an_object_names_exists(manifest: Manifest) -> None:
    existing = {(o["kind"], name_of(o)) for o in base()} | {("Secret", s) for s in SECRETS}
    missing = [f for f in fields_of(manifest) if (f[0], f[2]) not in existing]
    assert missing == []


@pytest.mark.parametrize(
    "manifest", [o for o in base() if group_of(o) not in KNOWN_TO_KUSTOMIZE], ids=label
)
def test_kustomize_knows_where_names_stand(manifest: Manifest) -> None:
    known = {path for _, path, _ in fields_of(manifest)} | {
        "roleRef/name",
        "spec/rules/backendRefs/name",
    }
    assert {path for path in leaves(manifest) if is_reference(path)} <= known


def test_a_function_takes_from_config_maps_and_secrets_only_keys_that_exist() -> None:
    (values,) = (o["data"] for o in of_kind("ConfigMap") if name_of(o) == "eventrain")
    for service in services():
        env = list(at(service, "spec/template/spec/containers/env"))
        plain = [ref for ref in at(env, "valueFrom/configMapKeyRef") if not ref.get("optional")]
        assert [ref["key"] for ref in plain if ref["key"] not in values] == []
        secret = list(at(env, "valueFrom/secretKeyRef"))
        assert [ref for ref in secret if ref["key"] not in SECRETS[ref["name"]]] == []


def test_no_plain_value_is_left_that_no_function_takes() -> None:
    (values,) = (o["data"] for o in of_kind("ConfigMap") if name_of(o) == "eventrain")
    path = "spec/template/spec/containers/env/valueFrom/configMapKeyRef/key"
    assert {key for service in services() for key in at(service, path)} >= values.keys()


def test_the_readme_lists_every_secret_with_its_keys() -> None:
    readme = (BASE / "README.md").read_text(encoding="utf-8")
    for name, keys in SECRETS.items():
        (line,) = (row for row in readme.splitlines() if row.startswith(f"| `{name}`"))
        assert all(f"`{key}`" in line for key in keys)


def test_a_role_binding_joins_a_role_and_an_account_that_exist() -> None:
    roles = {name_of(o) for o in of_kind("Role", "rbac.authorization.k8s.io")}
    accounts = {name_of(o) for o in of_kind("ServiceAccount")}
    bindings = of_kind("RoleBinding", "rbac.authorization.k8s.io")
    assert {b["roleRef"]["name"] for b in bindings} == roles
    assert {name for b in bindings for name in at(b, "subjects/name")} <= accounts


def test_a_route_leads_out_of_its_namespace_only_where_it_is_granted() -> None:
    routes = of_kind("HTTPRoute", "gateway.networking.k8s.io")
    backends = [b for r in routes for b in at(r, "spec/rules/backendRefs")]
    (grant,) = of_kind("ReferenceGrant", "gateway.networking.k8s.io")
    granted = {(grant["metadata"]["namespace"], to["name"]) for to in grant["spec"]["to"]}
    assert {(b["namespace"], b["name"]) for b in backends} == granted == OUTSIDE


@pytest.mark.parametrize("folder", ["eventing", "knative", "infra/base"])
def test_a_kustomization_lists_every_object_below_it(folder: str) -> None:
    listed = set(read_yaml(ROOT / folder / "kustomization.yaml")["resources"])
    paths = [p for p in (ROOT / folder).rglob("*.yaml") if p.name != "kustomization.yaml"]
    objects = {str(p.relative_to(ROOT / folder)) for p in paths if "apiVersion" in read_yaml(p)}
    assert objects == {entry for entry in listed if entry.endswith(".yaml")}
