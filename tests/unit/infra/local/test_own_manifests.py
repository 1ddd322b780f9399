"""The stack can follow every manifest of this repository."""

from pathlib import Path

import pytest

from infra.local import clock, credential, manifests, service, trigger, values
from infra.local.gateway import Routes
from infra.local.manifests import Manifests
from infra.local.service import FunctionPlan
from infra.local.settings import CLONE, StackSettings


@pytest.fixture(scope="module")
def found() -> Manifests:
    return manifests.load(CLONE)


@pytest.fixture
def plans(found: Manifests, tmp_path: Path) -> dict[str, FunctionPlan]:
    addresses = {"gateway": "http://g", "broker": "http://b/broker", "s3": "http://s"}
    known = values.collect(
        values.config_map(StackSettings(home=tmp_path), **addresses),
        credential.load_or_make(tmp_path / "secrets.json"),
        database_url="postgresql://d",
        config_folder=tmp_path / "config",
    )
    made = (service.plan(manifest, known, tmp_path / "f") for manifest in found.services)
    return {plan.name: plan for plan in made}


class TestOwnManifests:
    def test_every_function_gets_its_values_and_a_readiness_path(
        self, plans: dict[str, FunctionPlan]
    ) -> None:
        assert len(plans) >= 12
        assert {plan.readiness_path for plan in plans.values()} == {"/readyz"}
        targets = {plan.environment["FUNCTION_TARGET"] for plan in plans.values()}
        assert targets == {name.replace("-", "_") for name in plans}

    def test_only_those_that_launch_or_watch_speak_to_the_cluster(
        self, plans: dict[str, FunctionPlan]
    ) -> None:
        allowed = {name for name, plan in plans.items() if plan.cluster_access}
        assert allowed == {"doctor", "launch-job", "status-sync"}

    def test_no_address_of_a_cluster_is_left(self, plans: dict[str, FunctionPlan]) -> None:
        for plan in plans.values():
            left = [key for key, value in plan.environment.items() if "cluster.local" in value]
            assert left == [], plan.name

    def test_every_trigger_clock_and_route_names_a_function(
        self, found: Manifests, plans: dict[str, FunctionPlan]
    ) -> None:
        brokers = {manifests.name_of(broker): broker for broker in found.brokers}
        consumers = {trigger.read(item, brokers).subscriber.function for item in found.triggers}
        dead_letters = {trigger.read(item, brokers).delivery.dead_letter for item in found.triggers}
        routed = {rule.function for rule in Routes(found.routes).rules}
        named = consumers | routed | {place.function for place in dead_letters if place}
        assert named == set(plans)
        assert [clock.read(item).name for item in found.clocks]

    def test_the_namespace_of_the_trainers_is_known(self, found: Manifests) -> None:
        shipped = manifests.env_file(CLONE / "infra/base/eventrain.env")
        assert shipped["TRAINER_NAMESPACE"] in found.namespaces
