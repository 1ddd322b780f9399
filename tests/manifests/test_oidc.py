"""The component oidc, on top of production: who may send, and to whom deliveries are addressed."""

import pytest

from tests.manifests import crds
from tests.manifests.build import needs_kubectl, with_component
from tests.manifests.naming import dangling
from tests.manifests.objects import Manifest, at, group_of, name_of
from tests.manifests.validity import violations

pytestmark = needs_kubectl

ENV = "spec/template/spec/containers/env/name"


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> tuple[Manifest, ...]:
    return with_component(tmp_path_factory.mktemp("overlay").resolve(), "prod", "oidc")


def of_kind(objects: tuple[Manifest, ...], kind: str, group: str) -> list[Manifest]:
    return [o for o in objects if o["kind"] == kind and group_of(o) == group]


def holding(objects: tuple[Manifest, ...], variable: str) -> set[str]:
    functions = of_kind(objects, "Service", "serving.knative.dev")
    return {name_of(s) for s in functions if variable in at(s, ENV)}


@pytest.mark.skipif(not crds.FOLDER.is_dir(), reason="no definitions in ../shared/crds")
def test_every_object_is_valid(objects: tuple[Manifest, ...]) -> None:
    assert [problem for o in objects for problem in violations(o)] == []


def test_the_clock_and_those_that_publish_may_send_and_nobody_else(
    objects: tuple[Manifest, ...],
) -> None:
    (policy,) = of_kind(objects, "EventPolicy", "eventing.knative.dev")
    publish = holding(objects, "BROKER_URL")
    accounts = {entry["sub"] for entry in policy["spec"]["from"] if "sub" in entry}
    assert accounts == {f"system:serviceaccount:eventrain:{name}" for name in publish}
    assert [entry["ref"]["kind"] for entry in policy["spec"]["from"] if "ref" in entry] == [
        "PingSource"
    ]
    assert dangling((policy, *objects), lambda target: target[0] in {"Secret", "Service"}) == []


def test_those_that_publish_hold_a_token_for_this_broker_only(
    objects: tuple[Manifest, ...],
) -> None:
    assert holding(objects, "BROKER_TOKEN_FILE") == holding(objects, "BROKER_URL")
    (broker,) = of_kind(objects, "Broker", "eventing.knative.dev")
    place = f"{broker['metadata']['namespace']}/{name_of(broker)}"
    sources = "spec/template/spec/volumes/projected/sources/serviceAccountToken/audience"
    audiences = {audience for o in objects for audience in at(o, sources)}
    assert audiences == {f"eventing.knative.dev/broker/{place}"}


def test_each_consumer_is_addressed_by_an_audience_of_its_own(
    objects: tuple[Manifest, ...],
) -> None:
    for trigger in of_kind(objects, "Trigger", "eventing.knative.dev"):
        assert trigger["spec"]["subscriber"]["audience"] == f"eventrain/{name_of(trigger)}"
