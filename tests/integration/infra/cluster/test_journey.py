import asyncio
from pathlib import Path

import pytest
from kubernetes import client, config, dynamic

from tests.integration.infra.cluster.making import NAMESPACE
from tests.integration.infra.cluster.serving import Served, job, secret


def _conditions(found: object) -> list[tuple[str, str]]:
    return [(each.type, each.reason) for each in found.status.conditions]


class TestJourney:
    async def test_a_job_runs_to_its_end_and_takes_its_secret_with_it(self, served: Served) -> None:
        mount = {"name": "run", "mountPath": "/var/run/eventrain"}
        owner = await served.run(
            "train-1",
            "import os; print('token', open(os.environ['TOKEN_FILE']).read())",
            env=[{"name": "TOKEN_FILE", "value": "/var/run/eventrain/token"}],
            volumeMounts=[mount],
            pod={"volumes": [{"name": "run", "secret": {"secretName": "train-1"}}]},
        )
        await served.core.create_namespaced_secret(NAMESPACE, secret("train-1", owner, token="abc"))

        found = await served.finished("train-1")

        assert _conditions(found) == [
            ("SuccessCriteriaMet", "CompletionsReached"),
            ("Complete", "CompletionsReached"),
        ]
        assert (found.status.succeeded, found.status.active) == (1, None)
        assert await served.logs("train-1") == "token abc\n"
        await served.batch.delete_namespaced_job(
            "train-1", NAMESPACE, propagation_policy="Background"
        )
        await served.gone("train-1")
        assert (await served.core.list_namespaced_secret(NAMESPACE)).items == []

    async def test_a_container_that_fails_fails_the_job_with_its_exit_code(
        self, served: Served
    ) -> None:
        await served.run("train-1", "raise SystemExit(3)")

        found = await served.finished("train-1")

        assert _conditions(found) == [
            ("FailureTarget", "BackoffLimitExceeded"),
            ("Failed", "BackoffLimitExceeded"),
        ]
        pod = await served.pod("train-1")
        ended = pod.status.container_statuses[0].state.terminated
        assert (pod.status.phase, ended.exit_code, ended.reason) == ("Failed", 3, "Error")
        assert pod.spec.node_name == "local"
        assert pod.status.pod_ip == "127.0.0.1"

    async def test_the_synchronous_client_does_the_same(self, served: Served) -> None:
        def run() -> str:
            api = config.new_client_from_config(str(served.kubeconfig))
            with api:
                batch, core = client.BatchV1Api(api), client.CoreV1Api(api)
                batch.create_namespaced_job(NAMESPACE, job("train-1", "print('hello')"))
                while not batch.read_namespaced_job("train-1", NAMESPACE).status.succeeded:
                    pass
                pod = core.list_namespaced_pod(NAMESPACE, label_selector="job-name=train-1").items[
                    0
                ]
                return core.read_namespaced_pod_log(pod.metadata.name, NAMESPACE)

        assert await asyncio.to_thread(run) == "hello\n"

    async def test_the_dynamic_client_discovers_the_api(
        self, served: Served, tmp_path: Path
    ) -> None:
        def run() -> tuple[str, list[str]]:
            with config.new_client_from_config(str(served.kubeconfig)) as api:
                found = dynamic.DynamicClient(api, cache_file=str(tmp_path / "discovered"))
                jobs = found.resources.get(api_version="batch/v1", kind="Job")
                jobs.create(namespace=NAMESPACE, body=job("train-1", "", spec={"suspend": True}))
                listed = jobs.get(namespace=NAMESPACE).items
                return found.version["kubernetes"]["minor"], [each.metadata.name for each in listed]

        assert await asyncio.to_thread(run) == ("36", ["train-1"])

    async def test_a_suspended_job_starts_when_it_is_resumed(self, served: Served) -> None:
        await served.run("train-1", "print('hello')", spec={"suspend": True})
        await asyncio.sleep(0.1)
        found = await served.batch.read_namespaced_job("train-1", NAMESPACE)
        assert _conditions(found) == [("Suspended", "JobSuspended")]
        assert (await served.core.list_namespaced_pod(NAMESPACE)).items == []

        await served.batch.patch_namespaced_job("train-1", NAMESPACE, {"spec": {"suspend": False}})

        assert (await served.finished("train-1")).status.succeeded == 1

    async def test_an_indexed_job_runs_a_pod_for_each_index(self, served: Served) -> None:
        spec = {"completions": 2, "parallelism": 2, "completionMode": "Indexed"}
        script = "import os; print(os.environ['JOB_COMPLETION_INDEX'])"
        await served.run("train-1", script, spec=spec)

        found = await served.finished("train-1")

        assert (found.status.succeeded, found.status.completed_indexes) == (2, "0,1")

    @pytest.mark.parametrize(("tail", "expected"), [(1, "9\n"), (3, "7\n8\n9\n"), (50, None)])
    async def test_the_log_can_be_read_from_its_end(
        self, served: Served, tail: int, expected: str | None
    ) -> None:
        await served.run("train-1", "print(*range(10), sep='\\n')")
        await served.finished("train-1")

        whole = "".join(f"{number}\n" for number in range(10))
        assert await served.logs("train-1", tail_lines=tail) == (expected or whole)
        assert await served.logs("train-1", limit_bytes=4) == "0\n1\n"
