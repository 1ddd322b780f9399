"""The Job that brings the schema of a release: what it runs, and as whom."""

from typing import Any

from tests.manifests.objects import Manifest, at, of_kind, services

POD = "spec/template/spec"


def job() -> Manifest:
    (found,) = of_kind("Job", "batch")
    return found


def one(path: str) -> Any:
    (value,) = at(job(), path)
    return value


def test_it_runs_the_image_of_the_functions() -> None:
    (image,) = set(at(services(), f"{POD}/containers/image"))
    container = one(f"{POD}/containers")
    assert container["image"] == image
    assert container["command"] == ["python", "-m", "common.migrate"]


def test_it_gets_the_database_that_functions_get() -> None:
    entries = [e for e in at(services(), f"{POD}/containers/env") if e["name"] == "DATABASE_URL"]
    assert one(f"{POD}/containers/env") in entries


def test_it_may_do_as_little_as_a_function() -> None:
    pod = one(POD)
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"]
    security = one(f"{POD}/containers/securityContext")
    assert security["readOnlyRootFilesystem"]
    assert security["allowPrivilegeEscalation"] is False
    assert security["capabilities"] == {"drop": ["ALL"]}


def test_it_is_tried_again_and_then_given_up_and_cleared_away() -> None:
    spec = job()["spec"]
    assert spec["backoffLimit"] > 0
    assert spec["activeDeadlineSeconds"] > 0
    assert spec["ttlSecondsAfterFinished"] > 0


def test_functions_wait_for_it_as_long_as_it_may_take() -> None:
    annotations = at(services(), "spec/template/metadata/annotations")
    deadlines = {a["serving.knative.dev/progress-deadline"] for a in annotations}
    assert deadlines == {f"{job()['spec']['activeDeadlineSeconds']}s"}
