"""Each tier as kustomize builds it: whole, valid, and different in what it should be."""

import re
from typing import Any

import pytest

from tests.manifests import crds
from tests.manifests.build import OVERLAYS, TIERS, needs_kubectl, overlay
from tests.manifests.naming import Target, dangling
from tests.manifests.objects import (
    Manifest,
    at,
    base,
    connections,
    group_of,
    label,
    name_of,
    read_yaml,
)
from tests.manifests.settings_list import PLAIN, secrets
from tests.manifests.validity import UNCHECKED, is_checked, violations

pytestmark = needs_kubectl

POD = "spec/template/spec"
SCALE = "autoscaling.knative.dev"
GIVEN = {
    ("Service", "kourier-system", "kourier-internal"),
    ("Secret", "eventrain", "eventrain-tls"),
}
# Connections that the Postgres of a tier takes; production's is asked for in docs/deploy.md.
CONNECTIONS = {"prod": 500}

tier = pytest.mark.parametrize("tier", TIERS)


def components(tier: str) -> set[str]:
    listed = read_yaml(OVERLAYS / tier / "kustomization.yaml")["components"]
    return {path.rpartition("/")[2] for path in listed}


def of_kind(tier: str, kind: str, group: str = "") -> list[Manifest]:
    return [o for o in overlay(tier) if o["kind"] == kind and group_of(o) == group]


def functions(tier: str) -> list[Manifest]:
    return of_kind(tier, "Service", "serving.knative.dev")


def settings(tier: str) -> dict[str, str]:
    named = [m for m in of_kind(tier, "ConfigMap") if name_of(m).startswith("eventrain-")]
    (plain,) = (m["data"] for m in named if "ENVIRONMENT" in m["data"])
    return plain


def annotation(service: Manifest, name: str) -> str | None:
    return service["spec"]["template"]["metadata"]["annotations"].get(f"{SCALE}/{name}")


@tier
@pytest.mark.skipif(not crds.FOLDER.is_dir(), reason="no definitions in ../shared/crds")
def test_every_object_is_valid_and_has_no_unknown_field(tier: str) -> None:
    assert [problem for o in overlay(tier) for problem in violations(o)] == []


def test_no_more_is_left_unchecked_than_is_said() -> None:
    unchecked = {
        (o["apiVersion"], o["kind"]) for t in TIERS for o in overlay(t) if not is_checked(o)
    }
    assert unchecked == UNCHECKED


@tier
def test_every_reference_leads_to_an_object_or_to_what_the_operator_brings(tier: str) -> None:
    brought = secrets(*components(tier))

    def is_given(target: Target) -> bool:
        kind, namespace, name = target
        return target in GIVEN or (
            kind == "Secret" and namespace == "eventrain" and name in brought
        )

    assert dangling(overlay(tier), is_given) == []


@tier
def test_a_changed_value_gives_every_function_a_new_revision(tier: str) -> None:
    (hashed,) = (
        name_of(m) for m in of_kind(tier, "ConfigMap") if "ENVIRONMENT" in m.get("data", {})
    )
    assert re.fullmatch("eventrain-[a-z0-9]{10}", hashed)
    path = f"{POD}/containers/env/valueFrom/configMapKeyRef/name"
    assert {name for s in functions(tier) for name in at(s, path)} == {hashed}


@tier
def test_nothing_of_the_base_is_missing(tier: str) -> None:
    def key(manifest: Manifest) -> tuple[Any, ...]:
        name = name_of(manifest)
        return group_of(manifest), manifest["kind"], manifest["metadata"].get("namespace"), name

    built = {key(o) for o in overlay(tier)}
    renamed = {"migrate": "Job", "eventrain": "ConfigMap"}
    wanted = {key(o) for o in base() if renamed.get(name_of(o)) != o["kind"]}
    assert wanted <= built


@tier
def test_it_is_told_which_tier_it_is_and_what_differs_by_tier(tier: str) -> None:
    assert settings(tier)["ENVIRONMENT"] == tier
    own = dict(
        line.split("=", 1)
        for line in (OVERLAYS / tier / "eventrain.env").read_text(encoding="utf-8").splitlines()
    )
    assert own.keys() >= {name for name, row in PLAIN.items() if row.get("each")}
    assert own.keys() <= PLAIN.keys()
    assert own.items() <= settings(tier).items()


@tier
def test_users_reach_it_at_the_host_that_it_listens_on(tier: str) -> None:
    (gateway,) = of_kind(tier, "Gateway", "gateway.networking.k8s.io")
    (listener,) = gateway["spec"]["listeners"]
    if tier == "dev":
        assert listener["protocol"] == "HTTP"
        return
    assert listener["protocol"] == "HTTPS"
    assert settings(tier)["PUBLIC_URL"] == f"https://{listener['hostname']}"


@tier
def test_the_migration_is_named_after_the_image_that_it_and_every_function_run(tier: str) -> None:
    (job,) = of_kind(tier, "Job", "batch")
    images = {image for o in [job, *functions(tier)] for image in at(o, f"{POD}/containers/image")}
    (image,) = images
    _, _, digest = image.partition("@sha256:")
    _, _, tag = image.rpartition(":")
    assert name_of(job) == f"migrate-{digest[:12] or tag.replace('.', '-')}"


@tier
def test_one_instance_of_gpu_types_is_awake_in_production_and_nothing_else_anywhere(
    tier: str,
) -> None:
    floors = {name_of(s): annotation(s, "min-scale") for s in functions(tier)}
    awake = {name: floor for name, floor in floors.items() if floor is not None}
    assert awake == ({"gpu-types": "1"} if tier == "prod" else {})


@tier
def test_scales_are_numbers_that_fit_each_other(tier: str) -> None:
    for service in functions(tier):
        least, most = annotation(service, "min-scale"), annotation(service, "max-scale")
        assert most is not None
        assert 0 <= int(least or "0") <= int(most)


@tier
def test_all_instances_with_whole_pools_fit_its_postgres(tier: str) -> None:
    clusters = of_kind(tier, "Cluster", "postgresql.cnpg.io")
    taken = [int(c["spec"]["postgresql"]["parameters"]["max_connections"]) for c in clusters]
    pool = int(settings(tier)["DATABASE_POOL_SIZE"])
    needed = sum(connections(service, pool) for service in functions(tier))
    assert needed + 20 <= (taken[0] if taken else CONNECTIONS[tier])


@tier
def test_every_pod_of_ours_runs_as_nobody_and_without_a_token(tier: str) -> None:
    for workload in [*of_kind(tier, "Deployment", "apps"), *of_kind(tier, "Job", "batch")]:
        pod = workload["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"], label(workload)
        assert pod["automountServiceAccountToken"] is False
        for container in [*pod["containers"], *pod.get("initContainers", [])]:
            security = container["securityContext"]
            assert security["readOnlyRootFilesystem"]
            assert security["capabilities"] == {"drop": ["ALL"]}


@tier
def test_trainers_and_functions_reach_s3_and_functions_postgres(tier: str) -> None:
    policies = {name_of(p): p for p in of_kind(tier, "NetworkPolicy", "networking.k8s.io")}
    assert {"functions-to-s3", "trainers-to-s3", "functions-to-postgres"} <= policies.keys()
    ports = {
        name: set(at(policies[name], "spec/egress/ports/port"))
        for name in ("functions-to-s3", "trainers-to-s3")
    }
    assert ports["functions-to-s3"] == ports["trainers-to-s3"]
    assert set(at(policies["functions-to-postgres"], "spec/egress/ports/port")) == {5432}


class TestProduction:
    def test_has_a_broker_that_stores(self) -> None:
        (broker,) = of_kind("prod", "Broker", "eventing.knative.dev")
        assert broker["metadata"]["annotations"]["eventing.knative.dev/broker.class"] == "Kafka"
        assert broker["spec"]["delivery"]["deadLetterSink"]
        assert settings("prod")["BROKER_URL"].startswith("http://kafka-broker-ingress.")
