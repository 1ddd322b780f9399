"""Every object is one that an API server would take as it stands."""

import copy
from typing import Any

import pytest

from tests.manifests import crds
from tests.manifests.objects import Manifest, base, group_of, label, services
from tests.manifests.validity import BUILT_IN, is_checked, violations

OBJECTS = base()
needs_definitions = pytest.mark.skipif(
    not crds.FOLDER.is_dir(),
    reason="no custom resource definitions in ../shared/crds",
)


@pytest.mark.parametrize("manifest", [o for o in OBJECTS if group_of(o) in BUILT_IN], ids=label)
def test_a_built_in_object_is_valid_and_has_no_unknown_field(manifest: Manifest) -> None:
    assert violations(manifest) == []


@needs_definitions
@pytest.mark.parametrize("manifest", [o for o in OBJECTS if group_of(o) not in BUILT_IN], ids=label)
def test_a_custom_object_is_valid_and_has_no_unknown_field(manifest: Manifest) -> None:
    assert is_checked(manifest)
    assert violations(manifest) == []


@needs_definitions
@pytest.mark.parametrize(
    ("path", "key", "value"),
    [
        (["spec"], "tenplate", {}),
        (["spec", "template", "spec"], "restartPolicy", "Never"),
        (["spec", "template", "spec", "containers", 0], "privileged", True),
        (["spec", "template", "spec"], "timeoutSeconds", "30"),
        (["metadata"], "annotation", {}),
        (["spec", "template", "metadata", "annotations"], "autoscaling.knative.dev/max-scale", 3),
    ],
)
def test_the_check_sees_what_is_wrong(path: list[Any], key: str, value: Any) -> None:
    broken = copy.deepcopy(services()[0])
    target = broken
    for step in path:
        target = target[step]
    target[key] = value
    assert violations(broken)


@pytest.mark.parametrize(
    ("path", "key", "value"),
    [
        (["spec"], "backofLimit", 1),
        (["spec"], "backoffLimit", "many"),
        (["spec", "template", "spec", "containers", 0, "securityContext"], "privileges", True),
        (["metadata"], "label", {}),
    ],
)
def test_the_check_sees_what_is_wrong_in_a_built_in_object(
    path: list[Any], key: str, value: Any
) -> None:
    broken = copy.deepcopy(next(o for o in OBJECTS if o["kind"] == "Job"))
    target = broken
    for step in path:
        target = target[step]
    target[key] = value
    assert violations(broken)


def test_no_two_objects_have_the_same_name() -> None:
    keys = [
        (group_of(o), o["kind"], o["metadata"].get("namespace"), o["metadata"]["name"])
        for o in OBJECTS
    ]
    assert len(keys) == len(set(keys))
