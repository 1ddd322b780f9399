import asyncio
from typing import Any

import pytest

from tests.integration.infra.cluster.making import NAMESPACE
from tests.integration.infra.cluster.serving import Served, secret, until

_WAIT = "import time; print('up', flush=True); time.sleep(60)"
_STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + _WAIT


async def _secrets(served: Served) -> list[Any]:
    return (await served.core.list_namespaced_secret(NAMESPACE)).items


async def _job_gone(served: Served) -> None:
    async def look() -> bool:
        return not (await served.batch.list_namespaced_job(NAMESPACE)).items

    await until(look)


async def _no_secrets(served: Served) -> None:
    async def look() -> bool:
        return not await _secrets(served)

    await until(look)


async def _delete(served: Served, policy: str | None) -> None:
    options = {"propagation_policy": policy} if policy else {}
    await served.batch.delete_namespaced_job("train-1", NAMESPACE, **options)


class TestGarbage:
    @pytest.mark.parametrize("policy", ["Background", "Foreground"])
    async def test_a_deleted_job_takes_its_pods_and_secrets(
        self, served: Served, policy: str
    ) -> None:
        owner = await served.run("train-1", _STUBBORN)
        await served.core.create_namespaced_secret(NAMESPACE, secret("train-1", owner))
        await served.said("train-1", "up")

        await _delete(served, policy)

        if policy == "Foreground":
            assert (await served.batch.list_namespaced_job(NAMESPACE)).items
        await _job_gone(served)
        await served.gone("train-1")
        await _no_secrets(served)

    @pytest.mark.parametrize("policy", ["Orphan", None])
    async def test_an_orphaned_pod_runs_on(self, served: Served, policy: str | None) -> None:
        owner = await served.run("train-1", _WAIT)
        await served.core.create_namespaced_secret(NAMESPACE, secret("train-1", owner))
        await served.said("train-1", "up")

        await _delete(served, policy)
        await _job_gone(served)
        await asyncio.sleep(0.1)

        pod = await served.pod("train-1")
        assert (pod.status.phase, pod.metadata.owner_references) == ("Running", [])
        assert len(await _secrets(served)) == 1

    async def test_a_secret_that_comes_after_its_job_has_gone_goes_too(
        self, served: Served
    ) -> None:
        owner = await served.run("train-1", "", spec={"suspend": True})
        await _delete(served, "Background")

        await served.core.create_namespaced_secret(NAMESPACE, secret("train-1", owner))

        await _no_secrets(served)

    async def test_a_job_of_the_same_name_is_another_owner(self, served: Served) -> None:
        owner = await served.run("train-1", "", spec={"suspend": True})
        await served.core.create_namespaced_secret(NAMESPACE, secret("old", owner))
        await _delete(served, "Background")
        again = await served.run("train-1", "", spec={"suspend": True})
        await served.core.create_namespaced_secret(NAMESPACE, secret("new", again))

        async def look() -> bool:
            return [each.metadata.name for each in await _secrets(served)] == ["new"]

        await until(look)

    async def test_the_pods_of_a_forgotten_job_end(self, served: Served) -> None:
        await served.run("train-1", _WAIT)
        await served.said("train-1", "up")

        served.cluster.forget("jobs")

        await served.gone("train-1")
