"""Who may do what in the cluster: each verb that the code calls, and no other."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.manifests.objects import ROOT, at, name_of, of_kind

RBAC = "rbac.authorization.k8s.io"
ROLES = of_kind("Role", RBAC)
LAUNCH, SYNC = ROOT / "common" / "launch", ROOT / "common" / "sync"
DOCTOR = ROOT / "common" / "doctor"
CODE = {"doctor": [DOCTOR], "launch-job": [LAUNCH], "status-sync": [LAUNCH, SYNC]}
GROUPS = {"jobs": "batch", "triggers": "eventing.knative.dev"}
# The methods of common.launch.cluster, and the one function that hands a kind on to them.
VERBS = {
    "create": "create",
    "get": "get",
    "pages": "list",
    "patch": "patch",
    "delete": "delete",
    "_adopt": "get",
}
KINDS = {"jobs", "secrets", "pods", "triggers"}
Right = tuple[str, str]


def calls(folder: Path) -> Iterator[Right]:
    """(resource, verb) of each call to the Kubernetes API that is written in this folder."""
    for file in sorted(folder.glob("*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            yield from _right(call)


def _right(call: ast.Call) -> Iterator[Right]:
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    kind = call.args[0].value if call.args and isinstance(call.args[0], ast.Constant) else None
    if name in VERBS and kind in KINDS:
        yield str(kind), VERBS[name]
    elif name == "read_log" and call.args:
        yield "pods/log", "get"


def granted(role: str) -> set[Right]:
    (found,) = (r for r in ROLES if name_of(r) == role)
    return {
        (resource, verb)
        for rule in found["rules"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


@pytest.mark.parametrize("role", CODE)
def test_a_role_grants_what_the_code_calls_and_nothing_else(role: str) -> None:
    called = {right for folder in CODE[role] for right in calls(folder)}
    assert granted(role) == called


def test_rights_are_given_to_those_that_call_kubernetes_and_each_in_one_namespace() -> None:
    assert {name_of(role): role["metadata"]["namespace"] for role in ROLES} == {
        "doctor": "eventrain",
        "launch-job": "eventrain-trainers",
        "status-sync": "eventrain-trainers",
    }
    assert not of_kind("ClusterRole", RBAC)
    assert not of_kind("ClusterRoleBinding", RBAC)


def test_a_role_names_each_group_resource_and_verb() -> None:
    for rule in at(ROLES, "rules"):
        assert "*" not in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]
        assert {GROUPS.get(each, "") for each in rule["resources"]} == set(rule["apiGroups"])


def test_nobody_may_list_secrets() -> None:
    rules = [rule for rule in at(ROLES, "rules") if "secrets" in rule["resources"]]
    assert rules
    assert all(not {"list", "watch", "delete"} & set(rule["verbs"]) for rule in rules)
