"""Function, Service, account, route or Trigger, and event type: none without the others."""

import pytest

from eventing.catalogue import CATALOGUE, Definition
from tests.manifests.objects import ROOT, Manifest, label, name_of, of_kind, services

FUNCTIONS = sorted(path.parent.name for path in (ROOT / "functions").glob("*/app.py"))
SERVICES = {name_of(service) for service in services()}
ROUTED = {name_of(route) for route in of_kind("HTTPRoute", "gateway.networking.k8s.io")}
TRIGGERED = {name_of(trigger) for trigger in of_kind("Trigger", "eventing.knative.dev")}
# Called by the Broker itself, with what nobody took.
SINKS = {"dead-letter"}


@pytest.mark.parametrize("folder", FUNCTIONS)
def test_a_function_has_a_service(folder: str) -> None:
    assert folder.replace("_", "-") in SERVICES


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_a_service_has_a_function(name: str) -> None:
    assert name.replace("-", "_") in FUNCTIONS


def test_a_service_is_called_by_a_route_a_trigger_or_the_broker() -> None:
    assert SERVICES == ROUTED | TRIGGERED | SINKS


def test_a_service_and_a_job_have_an_account_and_no_account_is_left_over() -> None:
    jobs = {name_of(job) for job in of_kind("Job", "batch")}
    assert {name_of(account) for account in of_kind("ServiceAccount")} == SERVICES | jobs


@pytest.mark.parametrize("definition", CATALOGUE.values(), ids=lambda row: row.type)
def test_an_event_type_is_said_by_functions_that_exist(definition: Definition) -> None:
    assert definition.sources
    assert definition.sources <= SERVICES


@pytest.mark.parametrize(
    "manifest",
    [*services(), *of_kind("HTTPRoute", "gateway.networking.k8s.io"), *of_kind("ServiceAccount")],
    ids=label,
)
def test_an_object_of_a_function_lives_beside_the_others_and_says_whose_it_is(
    manifest: Manifest,
) -> None:
    assert manifest["metadata"]["namespace"] == "eventrain"
    assert manifest["metadata"]["labels"]["app.kubernetes.io/name"] == name_of(manifest)
