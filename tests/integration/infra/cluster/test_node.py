import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest_asyncio

from tests.integration.infra.cluster.making import NAMESPACE, make_cluster
from tests.integration.infra.cluster.serving import Served, serve, until

_WAIT = "import time; print('up', flush=True); time.sleep(60)"
_STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + _WAIT
_GPU = {"limits": {"nvidia.com/gpu": "1"}}


@pytest_asyncio.fixture
async def tainted(tmp_path: Path) -> AsyncIterator[Served]:
    taint = {"key": "gpu", "value": "yes", "effect": "NoSchedule"}
    cluster = make_cluster(tmp_path / "c", node_labels={"zone": "a"}, node_taints=[taint])
    await cluster.start()
    async with serve(cluster, tmp_path) as served:
        yield served
    await cluster.stop(kill_pods=True)


async def _unschedulable(served: Served, name: str) -> str:
    async def look() -> Any:
        pod = await served.pod(name)
        found = [each for each in pod.status.conditions or [] if each.type == "PodScheduled"]
        return found[0] if found and found[0].status == "False" else None

    condition = await until(look)
    assert condition.reason == "Unschedulable"
    return condition.message


def _conditions(pod: Any) -> dict[str, str]:
    return {each.type: each.reason for each in pod.status.conditions if each.status == "True"}


class TestScheduling:
    async def test_a_pod_waits_until_another_gives_its_gpu_back(self, served: Served) -> None:
        await served.run("train-1", _WAIT, resources=_GPU)
        await served.said("train-1", "up")
        await served.run("train-2", "", resources=_GPU)

        message = await _unschedulable(served, "train-2")
        assert message.startswith("0/1 nodes are available: 1 Insufficient nvidia.com/gpu.")

        await served.batch.delete_namespaced_job(
            "train-1", NAMESPACE, propagation_policy="Background"
        )
        assert (await served.finished("train-2")).status.succeeded == 1

    async def test_what_a_node_lacks_is_all_named(self, served: Served) -> None:
        limits = {"limits": {"cpu": "5", "memory": "9Gi"}}
        await served.run("train-1", "", resources=limits)

        message = await _unschedulable(served, "train-1")

        assert "1 Insufficient cpu, 1 Insufficient memory" in message

    async def test_a_selector_must_fit_the_node(self, tainted: Served) -> None:
        toleration = {"key": "gpu", "operator": "Exists"}
        pod = {"nodeSelector": {"zone": "b"}, "tolerations": [toleration]}
        await tainted.run("train-1", "", pod=pod)
        await tainted.run("train-2", "", pod=pod | {"nodeSelector": {"zone": "a"}})

        message = await _unschedulable(tainted, "train-1")

        assert "didn't match Pod's node affinity/selector" in message
        assert (await tainted.finished("train-2")).status.succeeded == 1

    async def test_a_taint_must_be_tolerated(self, tainted: Served) -> None:
        await tainted.run("train-1", "")

        assert "untolerated taint {gpu: yes}" in await _unschedulable(tainted, "train-1")


class TestNodeFaults:
    async def test_a_lost_node_takes_its_pods_along(self, served: Served) -> None:
        await served.run("train-1", _WAIT)
        await served.said("train-1", "up")

        served.cluster.lose_node()

        found = await served.finished("train-1")
        assert found.status.conditions[-1].type == "Failed"
        await served.gone("train-1")

    async def test_an_isolated_pod_runs_on_until_the_node_is_back(self, served: Served) -> None:
        await served.run("train-1", _WAIT)
        await served.said("train-1", "up")

        served.cluster.isolate_node()
        await asyncio.sleep(0.1)
        pod = await served.pod("train-1")
        assert (pod.status.phase, pod.status.reason) == ("Running", "NodeLost")
        assert pod.metadata.deletion_timestamp
        assert _conditions(pod)["DisruptionTarget"] == "DeletionByTaintManager"
        served.cluster.rejoin_node()

        await served.gone("train-1")

    async def test_an_evicted_pod_stays_as_failed(self, served: Served) -> None:
        await served.run("train-1", _WAIT)
        await served.said("train-1", "up")
        name = (await served.pod("train-1")).metadata.name

        await served.http.post("/_faults/evict", json={"namespace": NAMESPACE, "pod": name})

        pod = await served.pod_in("train-1", "Failed")
        assert pod.status.reason == "Evicted"
        assert _conditions(pod)["DisruptionTarget"] == "TerminationByKubelet"
        assert pod.status.container_statuses[0].state.terminated.exit_code == 143

    async def test_a_preempted_pod_is_deleted_with_its_grace(self, served: Served) -> None:
        await served.run("train-1", _STUBBORN)
        await served.said("train-1", "up")
        name = (await served.pod("train-1")).metadata.name

        served.cluster.evict(NAMESPACE, name, "Preempted")

        pod = await served.pod("train-1")
        assert pod.metadata.deletion_grace_period_seconds == 1
        assert _conditions(pod)["DisruptionTarget"] == "PreemptionByScheduler"
        await served.gone("train-1")
