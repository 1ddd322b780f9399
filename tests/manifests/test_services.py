"""How every function runs, and how that differs by what it does."""

from typing import Any

import pytest

from tests.manifests.objects import Manifest, at, connections, label, name_of, of_kind, services

HOT = {"heartbeat", "event"}
STREAMS = {"live"}
CALLS_KUBERNETES = {"doctor", "launch-job", "status-sync"}
POD = "spec/template/spec"
NOT_IN_BASE = {
    "nodeSelector",
    "tolerations",
    "affinity",
    "initContainers",
    "priorityClassName",
    "securityContext",
}


def one(manifest: Manifest, path: str) -> Any:
    (value,) = at(manifest, path)
    return value


def annotations(service: Manifest) -> dict[str, str]:
    return {
        name.removeprefix("autoscaling.knative.dev/"): value
        for name, value in one(service, "spec/template/metadata/annotations").items()
    }


@pytest.mark.parametrize("service", services(), ids=label)
class TestService:
    def test_runs_the_one_image_with_its_own_target(self, service: Manifest) -> None:
        container = one(service, f"{POD}/containers")
        assert container["image"] == one(services()[0], f"{POD}/containers")["image"]
        assert container["command"] == ["python", "-m", "common.serve"]
        targets = [e["value"] for e in container["env"] if e["name"] == "FUNCTION_TARGET"]
        assert targets == [name_of(service).replace("-", "_")]

    def test_leaves_the_variables_alone_that_knative_sets(self, service: Manifest) -> None:
        names = list(at(service, f"{POD}/containers/env/name"))
        assert not {"PORT", "K_SERVICE", "K_REVISION", "K_CONFIGURATION"} & set(names)
        assert len(names) == len(set(names))

    def test_takes_addresses_and_credentials_by_reference(self, service: Manifest) -> None:
        literal = {e["name"] for e in at(service, f"{POD}/containers/env") if "value" in e}
        assert literal <= {"FUNCTION_TARGET", "CONFIG_DIR"}

    def test_mounts_the_configuration_if_it_reads_it(self, service: Manifest) -> None:
        env = {e["name"]: e.get("value") for e in at(service, f"{POD}/containers/env")}
        mounts = {m["name"]: m["mountPath"] for m in at(service, f"{POD}/containers/volumeMounts")}
        assert mounts.get("config") == env.get("CONFIG_DIR")
        assert set(mounts) == set(at(service, f"{POD}/volumes/name"))

    def test_may_do_as_little_as_it_needs(self, service: Manifest) -> None:
        security = one(service, f"{POD}/containers/securityContext")
        assert security["runAsNonRoot"]
        assert security["readOnlyRootFilesystem"]
        assert security["allowPrivilegeEscalation"] is False
        assert security["capabilities"] == {"drop": ["ALL"]}
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}
        assert "/tmp" in at(service, f"{POD}/containers/volumeMounts/mountPath")

    def test_has_an_account_of_its_own(self, service: Manifest) -> None:
        assert one(service, f"{POD}/serviceAccountName") == name_of(service)
        token = one(service, f"{POD}/automountServiceAccountToken")
        assert token is (name_of(service) in CALLS_KUBERNETES)

    def test_is_reached_through_the_route_only(self, service: Manifest) -> None:
        labels = service["metadata"]["labels"]
        assert labels["networking.knative.dev/visibility"] == "cluster-local"

    def test_is_probed_for_life_and_for_readiness_apart(self, service: Manifest) -> None:
        assert one(service, f"{POD}/containers/readinessProbe/httpGet/path") == "/readyz"
        assert one(service, f"{POD}/containers/livenessProbe/httpGet/path") == "/healthz"

    def test_asks_for_what_it_needs_and_is_bounded(self, service: Manifest) -> None:
        resources = one(service, f"{POD}/containers/resources")
        assert set(resources["requests"]) == set(resources["limits"]) == {"cpu", "memory"}

    def test_is_cut_off_within_what_knative_allows(self, service: Manifest) -> None:
        assert 0 < one(service, f"{POD}/timeoutSeconds") <= 600

    def test_scales_to_zero_and_no_further_than_a_bound(self, service: Manifest) -> None:
        scale = annotations(service)
        assert "min-scale" not in scale
        assert int(scale["max-scale"]) >= 1

    def test_scales_by_what_it_does(self, service: Manifest) -> None:
        hot = name_of(service) in HOT
        assert annotations(service)["metric"] == ("rps" if hot else "concurrency")
        unbounded = hot or name_of(service) in STREAMS
        assert (one(service, f"{POD}/containerConcurrency") == 0) is unbounded

    def test_uses_nothing_that_knative_has_off_by_default(self, service: Manifest) -> None:
        assert not NOT_IN_BASE & set(one(service, POD))
        assert list(at(service, f"{POD}/containers/env/valueFrom/fieldRef")) == []
        assert list(at(service, f"{POD}/volumes/persistentVolumeClaim")) == []


def test_all_connections_of_all_instances_leave_room_on_a_small_postgres() -> None:
    (values,) = (o["data"] for o in of_kind("ConfigMap") if name_of(o) == "eventrain")
    pool = int(values["DATABASE_POOL_SIZE"])
    assert sum(connections(service, pool) for service in services()) <= 320
