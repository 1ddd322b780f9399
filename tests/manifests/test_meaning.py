"""Objects that are valid also make sense, in the base and in each tier."""

import copy
from typing import Any

import pytest

from tests.manifests.build import TIERS, needs_kubectl, overlay
from tests.manifests.meaning import problems
from tests.manifests.objects import base

TEMPLATE = ["spec", "template"]
SCALE = [*TEMPLATE, "metadata", "annotations"]


def test_the_base_makes_sense() -> None:
    assert [problem for o in base() for problem in problems(o)] == []


@needs_kubectl
@pytest.mark.parametrize("tier", TIERS)
def test_a_tier_makes_sense(tier: str) -> None:
    assert [problem for o in overlay(tier) for problem in problems(o)] == []


@pytest.mark.parametrize(
    ("kind", "path", "value"),
    [
        ("Broker", ["spec", "delivery", "backoffPolicy"], "quadratic"),
        ("Broker", ["spec", "delivery", "timeout"], "PT601S"),
        ("Broker", ["spec", "delivery", "backoffDelay"], "1s"),
        ("Trigger", ["spec", "filters"], [{"exact": {"type": "a"}, "prefix": {"type": "a"}}]),
        ("Trigger", ["spec", "filters"], [{"any": [{"not": {"like": {"type": "a"}}}]}]),
        ("PingSource", ["spec", "data"], "[]"),
        ("PingSource", ["spec", "data"], "tick"),
        ("PingSource", ["spec", "schedule"], "* * * * *"),
        ("Service", [*TEMPLATE, "spec", "timeoutSeconds"], 601),
        ("Service", [*SCALE, "autoscaling.knative.dev/metric"], "requests"),
        ("Service", [*SCALE, "autoscaling.knative.dev/min-scale"], "-1"),
        ("Service", [*SCALE, "autoscaling.knative.dev/minScale"], "1"),
        ("Service", [*SCALE, "autoscaling.knative.dev/target-utilization-percentage"], "170"),
        ("Service", [*SCALE, "serving.knative.dev/progress-deadline"], "30m"),
        ("Broker", ["metadata", "annotations"], {"eventing.knative.dev/broker.class": "kafka"}),
    ],
)
def test_what_nobody_means_is_seen(kind: str, path: list[str], value: Any) -> None:
    broken = copy.deepcopy(next(o for o in base() if o["kind"] == kind))
    target = broken
    for step in path[:-1]:
        target = target[step]
    target[path[-1]] = value
    assert len(problems(broken)) == 1
