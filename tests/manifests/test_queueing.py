"""The component kueue, on top of production: where trainers wait, and who may admit them."""

from pathlib import Path

import pytest

from common.launch.manifest import QUEUE
from tests.manifests import crds
from tests.manifests.build import needs_kubectl, overlay, with_component
from tests.manifests.naming import dangling
from tests.manifests.objects import ROOT, Manifest, at, read_yaml
from tests.manifests.validity import violations

pytestmark = needs_kubectl


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> tuple[Manifest, ...]:
    return with_component(tmp_path_factory.mktemp("overlay").resolve(), "prod", "kueue")


def one(objects: tuple[Manifest, ...], kind: str) -> Manifest:
    (found,) = (o for o in objects if o["kind"] == kind)
    return found


@pytest.mark.skipif(not crds.FOLDER.is_dir(), reason="no definitions in ../shared/crds")
def test_every_object_is_valid(objects: tuple[Manifest, ...]) -> None:
    assert [problem for o in objects for problem in violations(o)] == []


def test_trainers_are_told_of_a_queue_that_is_in_their_namespace(
    objects: tuple[Manifest, ...],
) -> None:
    (plain,) = (o["data"] for o in objects if "TRAINER_QUEUE" in o.get("data", {}))
    queue = one(objects, "LocalQueue")["metadata"]
    assert (queue["namespace"], queue["name"]) == (
        plain["TRAINER_NAMESPACE"],
        plain["TRAINER_QUEUE"],
    )


def test_the_queue_leads_to_a_quota_that_is_for_trainers_only(
    objects: tuple[Manifest, ...],
) -> None:
    chain = (one(objects, "LocalQueue"), one(objects, "ClusterQueue"))
    assert dangling((*chain, one(objects, "ResourceFlavor")), lambda _: False) == []
    chosen = one(objects, "ClusterQueue")["spec"]["namespaceSelector"]["matchLabels"]
    assert chosen == {"kubernetes.io/metadata.name": "eventrain-trainers"}


def test_the_quota_counts_all_that_a_trainer_can_ask_for(objects: tuple[Manifest, ...]) -> None:
    """Kueue never admits a Job that asks for what no quota covers."""
    offered = read_yaml(ROOT / "infra" / "base" / "config" / "gpu-types.yaml")
    asked = {gpu["resourceName"] for tier in offered.values() for gpu in tier}
    covered = set(at(one(objects, "ClusterQueue"), "spec/resourceGroups/coveredResources"))
    assert covered == {"cpu", "memory"} | asked


def test_without_it_no_trainer_waits_in_a_queue() -> None:
    assert not any("TRAINER_QUEUE" in o.get("data", {}) for o in overlay("prod"))


@pytest.mark.skipif(not crds.FOLDER.is_dir(), reason="no definitions in ../shared/crds")
def test_the_label_is_of_the_group_that_the_queues_are_of() -> None:
    definition: Path = crds.FOLDER / "kueue" / "kueue.x-k8s.io_localqueues.yaml"
    group = read_yaml(definition)["spec"]["group"]
    assert f"{group}/queue-name" == QUEUE
