"""The readers that other tests here rely on see what is wrong."""

import copy
from typing import Any

import pytest

from tests.manifests.naming import dangling, names
from tests.manifests.objects import base, name_of, services

POD = ["spec", "template", "spec"]


@pytest.mark.parametrize(
    ("path", "key", "wrong"),
    [
        (POD, "serviceAccountName", "nobody"),
        ([*POD, "containers", 0, "env", 1, "valueFrom", "configMapKeyRef"], "name", "missing"),
    ],
)
def test_a_name_that_nothing_has_is_seen(path: list[Any], key: str, wrong: str) -> None:
    objects = copy.deepcopy(base())
    service = next(o for o in objects if o["kind"] == "Service")
    target = service
    for step in path:
        target = target[step]
    target[key] = wrong
    given = {"Secret", "GatewayClass"}
    found = dangling(objects, lambda target: target[0] in given or "kourier" in target[2])
    assert [target[2] for _, target in found] == [wrong]


def test_every_kind_of_reference_is_read() -> None:
    kinds = {kind for o in base() for kind, _, _ in names(o)}
    assert kinds == {
        "Broker",
        "ConfigMap",
        "Gateway",
        "GatewayClass",
        "Role",
        "Secret",
        "Service",
        "ServiceAccount",
    }


def test_a_service_names_its_account_its_values_and_its_secrets() -> None:
    (service,) = (s for s in services() if name_of(s) == "gpu-types")
    assert set(names(service)) == {
        ("ServiceAccount", "eventrain", "gpu-types"),
        ("ConfigMap", "eventrain", "eventrain"),
        ("ConfigMap", "eventrain", "eventrain-config"),
        ("Secret", "eventrain", "eventrain-postgres"),
        ("Secret", "eventrain", "eventrain-user-token-keys"),
    }
