import asyncio
from pathlib import Path
from typing import Any

from tests.integration.infra.cluster.making import NAMESPACE, make_cluster
from tests.integration.infra.cluster.serving import Served, serve, until

_WAIT = "import time; print('up', flush=True); time.sleep(60)"
_SAVE_ON_TERM = """
import signal, sys, time
def save(*_):
    print("saved", flush=True)
    sys.exit(143)
signal.signal(signal.SIGTERM, save)
print("up", flush=True)
time.sleep(60)
"""
_STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + _WAIT

_WITH_A_CHILD = """
import signal, subprocess, sys, time
child = "import signal; signal.signal(signal.SIGTERM, lambda *_: print('child', flush=True))"
child += "; print('up', flush=True)\\nwhile True: signal.pause()"
subprocess.Popen([sys.executable, "-c", child])
def end(*_):
    time.sleep(0.5)
    print("first", flush=True)
    sys.exit(143)
signal.signal(signal.SIGTERM, end)
time.sleep(60)
"""


async def _delete_pod(served: Served, **options: Any) -> None:
    name = (await served.pod("train-1")).metadata.name
    await served.core.delete_namespaced_pod(name, NAMESPACE, **options)


def _exit_code(pod: Any) -> int:
    return pod.status.container_statuses[0].state.terminated.exit_code


class TestTermination:
    async def test_a_container_may_save_within_its_grace(self, served: Served) -> None:
        """A finalizer of the test holds the pod, so that its end can be read."""
        labels = {"finalizers": ["test/hold"]}
        await served.run("train-1", _SAVE_ON_TERM, pod={"terminationGracePeriodSeconds": 30})
        await served.said("train-1", "up")
        name = (await served.pod("train-1")).metadata.name
        await served.core.patch_namespaced_pod(name, NAMESPACE, {"metadata": labels})

        await _delete_pod(served)

        pod = await served.pod_in("train-1", "Failed")
        assert _exit_code(pod) == 143
        assert "saved" in await served.logs("train-1")
        released = [{"op": "replace", "path": "/metadata/finalizers", "value": []}]
        await served.core.patch_namespaced_pod(name, NAMESPACE, released)
        await served.gone("train-1")
        assert (await served.finished("train-1")).status.failed == 1

    async def test_a_container_that_stays_is_killed_after_its_grace(self, served: Served) -> None:
        await served.run("train-1", _STUBBORN, pod={"activeDeadlineSeconds": 4})
        await served.said("train-1", "up")

        pod = await served.pod_in("train-1", "Failed")

        assert _exit_code(pod) == 137
        assert pod.status.reason == "DeadlineExceeded"

    async def test_only_the_first_process_hears_that_it_is_to_end(self, served: Served) -> None:
        await served.run("train-1", _WITH_A_CHILD, pod={"activeDeadlineSeconds": 4})
        await served.said("train-1", "up")

        pod = await served.pod_in("train-1", "Failed")

        assert _exit_code(pod) == 143
        log = await served.logs("train-1")
        assert "first" in log
        assert "child" not in log

    async def test_a_shorter_grace_cuts_a_longer_one(self, served: Served) -> None:
        await served.run("train-1", _STUBBORN, pod={"terminationGracePeriodSeconds": 600})
        await served.said("train-1", "up")
        await _delete_pod(served)
        await asyncio.sleep(0.1)
        pod = await served.pod("train-1")
        assert pod.metadata.deletion_grace_period_seconds == 600

        await _delete_pod(served, grace_period_seconds=1)

        await served.gone("train-1")

    async def test_no_grace_kills_at_once(self, served: Served) -> None:
        await served.run("train-1", _STUBBORN, pod={"terminationGracePeriodSeconds": 600})
        await served.said("train-1", "up")

        await _delete_pod(served, grace_period_seconds=0)

        await served.gone("train-1")
        assert (await served.finished("train-1")).status.failed == 1

    async def test_a_pod_past_its_deadline_has_failed_for_that_reason(self, served: Served) -> None:
        await served.run("train-1", _WAIT, pod={"activeDeadlineSeconds": 1})

        found = await served.finished("train-1")

        pod = await served.pod("train-1")
        assert (pod.status.phase, pod.status.reason) == ("Failed", "DeadlineExceeded")
        assert found.status.conditions[-1].reason == "BackoffLimitExceeded"

    async def test_a_job_past_its_deadline_stops_its_pods(self, served: Served) -> None:
        await served.run("train-1", _WAIT, spec={"activeDeadlineSeconds": 1})

        found = await served.finished("train-1")

        kinds = [(each.type, each.reason) for each in found.status.conditions]
        assert kinds == [("FailureTarget", "DeadlineExceeded"), ("Failed", "DeadlineExceeded")]
        await served.gone("train-1")

    async def test_a_deadline_counts_while_the_pod_waits_for_its_image(
        self, served: Served
    ) -> None:
        await served.run("train-1", "", image="none", pod={"activeDeadlineSeconds": 1})

        pod = await served.pod_in("train-1", "Failed")

        assert pod.status.reason == "DeadlineExceeded"

    async def test_a_finished_job_is_deleted_after_its_time_to_live(self, served: Served) -> None:
        await served.run("train-1", "")
        await served.finished("train-1")

        changed = {"spec": {"ttlSecondsAfterFinished": 0}}
        await served.batch.patch_namespaced_job("train-1", NAMESPACE, changed)

        await served.gone("train-1")

        async def no_jobs() -> bool:
            return not (await served.batch.list_namespaced_job(NAMESPACE)).items

        await until(no_jobs)


class TestStop:
    async def test_stopping_with_its_pods_leaves_no_process(self, tmp_path: Path) -> None:
        cluster = make_cluster(tmp_path / "cluster")
        await cluster.start()
        async with serve(cluster, tmp_path) as served:
            await served.run("train-1", _SAVE_ON_TERM)
            await served.said("train-1", "up")
            pod = await served.pod("train-1")

        await cluster.stop(kill_pods=True)

        folder = tmp_path / "cluster/pods" / pod.metadata.uid / "containers/trainer"
        assert (folder / "log").read_text() == "up\nsaved\n"
        assert (folder / "exit.json").exists()

    async def test_pods_that_run_on_are_found_again(self, tmp_path: Path) -> None:
        first = make_cluster(tmp_path / "cluster")
        await first.start()
        async with serve(first, tmp_path) as served:
            await served.run("train-1", _SAVE_ON_TERM)
            await served.said("train-1", "up")
        await first.stop(kill_pods=False)

        second = make_cluster(tmp_path / "cluster")
        await second.start()
        async with serve(second, tmp_path) as served:
            await _delete_pod(served)
            await served.gone("train-1")
            assert (await served.finished("train-1")).status.failed == 1
        await second.stop(kill_pods=True)
