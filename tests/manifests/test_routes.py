"""Every method and path of the contract reaches its function, and nothing else is open."""

import itertools
import re
from collections.abc import Callable

import pytest

from infra.local.gateway import Routes
from tests.manifests import routing
from tests.manifests.objects import Manifest, at, label, name_of, of_kind, services

Resolve = Callable[[str, str], str | None]

ROUTES = of_kind("HTTPRoute", "gateway.networking.k8s.io")
ID = "5e0c9b2a-1f0e-4a6e-9a53-0c1b8f1d2e3f"
API = "/llm-ops/v1"
JOB = f"{API}/training/jobs/{ID}"

CONTRACT = {
    ("GET", f"{API}/training/gpu-types"): "gpu-types",
    ("GET", f"{API}/training/frameworks"): "gpu-types",
    ("POST", f"{API}/training/jobs"): "submit-job",
    ("GET", f"{API}/training/jobs"): "jobs",
    ("GET", JOB): "jobs",
    ("DELETE", JOB): "jobs",
    ("GET", f"{JOB}/live"): "live",
    ("GET", f"{API}/training/jobs/live"): "live",
    ("POST", f"{API}/training/jobs/live/token"): "live",
    ("GET", f"{JOB}/timeline"): "history",
    ("GET", f"{JOB}/attempts"): "history",
    ("GET", f"{JOB}/points"): "history",
    ("GET", f"{JOB}/logs"): "history",
    ("GET", f"{JOB}/checkpoints"): "history",
    ("GET", f"{JOB}/validations"): "history",
    ("GET", f"{JOB}/artifacts"): "history",
    ("POST", f"{JOB}/cancel"): "jobs",
    ("POST", f"{JOB}/resubmit"): "submit-job",
    ("POST", f"{JOB}/metrics"): "history",
    ("POST", f"{JOB}/register-model"): "register-model",
    ("GET", f"{JOB}/experiment-run"): "experiments",
    ("POST", f"{JOB}/experiment-run"): "experiments",
    ("POST", f"{JOB}/experiment-run/metrics"): "experiments",
    ("POST", f"{API}/experiments/search"): "experiments",
    ("GET", f"{API}/health/integrations"): "experiments",
    ("GET", f"{API}/training/experiments/{ID}"): "history",
    ("POST", f"{API}/training/sources"): "sources",
    ("POST", f"{API}/training/sources/complete"): "sources",
    ("GET", f"{API}/catalog/models"): "models",
    ("POST", f"{API}/catalog/models"): "models",
    ("GET", f"{API}/catalog/models/{ID}"): "models",
    ("DELETE", f"{API}/catalog/models/{ID}"): "models",
    ("PATCH", f"{API}/catalog/models/{ID}/status"): "models",
    ("POST", f"{API}/catalog/models/{ID}/upload"): "models",
    ("POST", f"{API}/catalog/models/{ID}/uploads"): "models",
    ("POST", f"{API}/catalog/models/{ID}/uploads/complete"): "models",
    ("POST", f"{API}/catalog/models/{ID}/uploads/abort"): "models",
    ("GET", f"{API}/catalog/models/{ID}/files"): "models",
    ("GET", f"{API}/catalog/models/{ID}/lineage"): "models",
    ("GET", f"{API}/catalog/models/{ID}/receipt"): "models",
    ("GET", f"{API}/catalog/receipt-keys"): "register-model",
    ("GET", f"{API}/catalog/datasets"): "datasets",
    ("POST", f"{API}/catalog/datasets"): "datasets",
    ("GET", f"{API}/catalog/datasets/{ID}"): "datasets",
    ("DELETE", f"{API}/catalog/datasets/{ID}"): "datasets",
    ("POST", f"{API}/catalog/datasets/{ID}/upload"): "datasets",
    ("POST", f"{API}/catalog/datasets/{ID}/uploads"): "datasets",
    ("POST", f"{API}/catalog/datasets/{ID}/uploads/complete"): "datasets",
    ("POST", f"{API}/catalog/datasets/{ID}/uploads/abort"): "datasets",
    ("GET", f"{API}/catalog/datasets/{ID}/files"): "datasets",
    ("GET", f"{API}/catalog/datasets/{ID}/lineage"): "datasets",
    ("GET", f"{API}/catalog/datasets/{ID}/preview"): "datasets",
    ("GET", f"{API}/admin/doctor"): "doctor",
    ("GET", f"{API}/admin/retention"): "retention",
    ("GET", f"{API}/admin/dead-letters"): "dead-letter",
    ("GET", f"{API}/admin/dead-letters/2026-01-01-{ID}"): "dead-letter",
    ("POST", f"{API}/admin/dead-letters/2026-01-01-{ID}/replay"): "dead-letter",
    ("GET", f"{API}/webhooks"): "webhooks",
    ("POST", f"{API}/webhooks"): "webhooks",
    ("DELETE", f"{API}/webhooks/{ID}"): "webhooks",
    ("POST", f"{API}/webhooks/{ID}/secret"): "webhooks",
    ("POST", f"{API}/webhooks/secret"): "webhooks",
    ("POST", f"{API}/webhooks/{ID}/test"): "webhooks",
    ("GET", f"{API}/webhooks/deliveries"): "webhooks",
    ("POST", f"{API}/webhooks/deliveries/{ID}/redeliver"): "webhooks",
    ("GET", f"{API}/projects"): "projects",
    ("POST", f"{API}/projects"): "projects",
    ("GET", f"{API}/projects/{ID}"): "projects",
    ("PATCH", f"{API}/projects/{ID}"): "projects",
    ("GET", f"{API}/projects/{ID}/members"): "projects",
    ("PUT", f"{API}/projects/{ID}/members/ada@example.com"): "projects",
    ("DELETE", f"{API}/projects/{ID}/members/ada@example.com"): "projects",
    ("GET", f"{API}/tokens"): "tokens",
    ("POST", f"{API}/tokens"): "tokens",
    ("POST", f"{API}/tokens/refresh"): "tokens",
    ("DELETE", f"{API}/tokens/{ID}"): "tokens",
    ("GET", f"{API}/audit"): "audit",
    ("GET", f"{API}/ledger"): "ledger",
    ("POST", f"/v1/jobs/{ID}/heartbeat"): "heartbeat",
    ("POST", f"/v1/jobs/{ID}/event"): "event",
    ("POST", f"/v1/jobs/{ID}/addresses"): "done",
    ("POST", f"/v1/jobs/{ID}/done"): "done",
    ("POST", "/v1/jobs"): "submit-job",
    ("GET", f"/v1/jobs/{ID}"): "jobs",
    ("POST", f"/v1/jobs/{ID}/cancel"): "jobs",
}
# Answered by the function that owns the neighbourhood, in the envelope: 404 or 405.
UNKNOWN = {
    ("GET", f"{API}/health"): "jobs",
    ("GET", f"{API}/serving/endpoints"): "jobs",
    ("POST", f"{API}/workflows/pipelines"): "jobs",
    ("POST", f"{JOB}/experiment-run/params"): "jobs",
    ("POST", f"{API}/catalog/models/import"): "models",
    ("GET", f"{API}/catalog/modelsx"): "jobs",
    ("GET", f"{API}/training/gpu-types/"): "jobs",
    ("GET", API): "jobs",
    ("PUT", f"{API}/training/jobs"): "jobs",
    ("GET", "/v1/jobs"): "jobs",
    ("GET", f"/v1/jobs/{ID}/heartbeat"): "heartbeat",
    ("POST", f"/v1/jobs/{ID}/heartbeat/more"): "jobs",
    ("POST", f"/v1/jobs/{ID}/{ID}/heartbeat"): "jobs",
    ("POST", "/v1/nothing"): "jobs",
}
CLOSED = [
    "/",
    "/healthz",
    "/readyz",
    "/openapi.json",
    "/metrics",
    "/llm-ops",
    "/llm-ops/v10",
    "/v10/jobs",
]


@pytest.fixture(params=["manifests", "local gateway"])
def resolve(request: pytest.FixtureRequest) -> Resolve:
    if request.param == "manifests":
        return lambda method, path: routing.resolve(ROUTES, method, path)
    return Routes(ROUTES).resolve


@pytest.mark.parametrize(("method", "path"), CONTRACT)
def test_a_call_of_the_contract_reaches_its_function(
    resolve: Resolve, method: str, path: str
) -> None:
    assert resolve(method, path) == CONTRACT[method, path]


@pytest.mark.parametrize(("method", "path"), UNKNOWN)
def test_what_nobody_claims_is_answered_in_the_envelope(
    resolve: Resolve, method: str, path: str
) -> None:
    assert resolve(method, path) == UNKNOWN[method, path]


@pytest.mark.parametrize("path", CLOSED)
def test_what_is_not_for_users_is_not_on_the_route(resolve: Resolve, path: str) -> None:
    assert resolve("GET", path) is None
    assert resolve("POST", path) is None


def test_every_route_is_needed_by_the_contract() -> None:
    assert {name_of(route) for route in ROUTES} == set(CONTRACT.values())


@pytest.mark.parametrize("route", ROUTES, ids=label)
class TestRoute:
    def test_leads_to_the_function_that_it_is_named_after(self, route: Manifest) -> None:
        hosts = set(at(route, "spec/rules/filters/urlRewrite/hostname"))
        assert hosts == {f"{name_of(route)}.{route['metadata']['namespace']}.svc.cluster.local"}

    def test_waits_as_long_as_its_function_may_take(self, route: Manifest) -> None:
        (service,) = (s for s in services() if name_of(s) == name_of(route))
        limit = service["spec"]["template"]["spec"]["timeoutSeconds"]
        for rule in route["spec"]["rules"]:
            assert rule["timeouts"] == {"request": f"{limit}s"}

    def test_has_expressions_that_stay_within_one_part_of_the_path(self, route: Manifest) -> None:
        for path in at(route, "spec/rules/matches/path"):
            if path["type"] == "RegularExpression":
                re.compile(path["value"])
                assert path["value"].startswith("/")
                assert ".*" not in path["value"]


def test_no_two_routes_match_the_same_in_the_same_way() -> None:
    matches = [(name_of(r), m) for r in ROUTES for m in at(r, "spec/rules/matches")]
    for (one, first), (other, second) in itertools.combinations(matches, 2):
        assert first != second, f"{one} and {other}"
