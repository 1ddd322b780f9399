import asyncio
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from infra.local.cluster import Image, Pull
from infra.local.cluster.pod_worker import container_process
from tests.integration.infra.cluster.making import NAMESPACE, PYTHON, make_cluster
from tests.integration.infra.cluster.serving import Served, secret, serve, until

_PRINT_ENVIRONMENT = "import json, os; print(json.dumps(dict(os.environ)))"
_WAIT = "import time; print('up', flush=True); time.sleep(60)"


def _mounted(name: str, **volume: Any) -> dict[str, Any]:
    return {
        "volumeMounts": [{"name": "it", "mountPath": "/mnt/it"}],
        "pod": {"volumes": [{"name": "it", **volume}]},
    }


async def _environment(served: Served, name: str = "train-1") -> dict[str, str]:
    await served.finished(name)
    return json.loads(await served.logs(name))


async def _waiting(served: Served, reason: str, message: str | None = None) -> Any:
    async def look() -> Any:
        pod = await served.pod("train-1")
        states = pod.status.container_statuses or []
        waiting = states[0].state.waiting if states else None
        if waiting is None or waiting.reason != reason:
            return None
        return waiting if message in (None, waiting.message) else None

    return await until(look)


class TestEnvironment:
    async def test_a_container_finds_what_its_pod_gives_and_nothing_else(
        self, served: Served, tmp_path: Path
    ) -> None:
        await served.core.create_namespaced_secret(NAMESPACE, secret("s", key="from-secret"))
        env = [
            {"name": "PLAIN", "value": "plain"},
            {"name": "not.a-shell_name", "value": "kept"},
            {"name": "EXPANDED", "value": "$(PLAIN)-$(UNKNOWN)-$$(PLAIN)"},
            {"name": "S", "valueFrom": {"secretKeyRef": {"name": "s", "key": "key"}}},
            {
                "name": "ABSENT",
                "valueFrom": {"secretKeyRef": {"name": "none", "key": "key", "optional": True}},
            },
            {"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "APP", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}},
            {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
        ]
        limits = {"limits": {"cpu": "1500m"}}
        await served.run("train-1", _PRINT_ENVIRONMENT, env=env, resources=limits)

        found = await _environment(served)

        pod = await served.pod("train-1")
        home = tmp_path / "cluster/pods" / pod.metadata.uid
        path = found.pop("PATH")
        assert path.endswith(os.environ["PATH"])
        assert found == {
            "PLAIN": "plain",
            "not.a-shell_name": "kept",
            "EXPANDED": "plain-$(UNKNOWN)-$(PLAIN)",
            "S": "from-secret",
            "NAME": pod.metadata.name,
            "APP": "trainer",
            "CPU": "2",
            "FROM_IMAGE": "yes",
            "HOME": str(home / "home"),
            "TMPDIR": str(home / "tmp"),
            "LANG": os.environ.get("LANG", "C.UTF-8"),
            "HOSTNAME": pod.metadata.name,
        }

    async def test_all_keys_of_a_secret_come_by_env_from(self, served: Served) -> None:
        await served.core.create_namespaced_secret(NAMESPACE, secret("s", A="1", B="2"))
        source = [{"prefix": "X_", "secretRef": {"name": "s"}}]
        await served.run("train-1", _PRINT_ENVIRONMENT, envFrom=source)

        found = await _environment(served)

        assert (found["X_A"], found["X_B"]) == ("1", "2")

    async def test_a_missing_secret_key_holds_the_container_until_it_comes(
        self, served: Served
    ) -> None:
        reference = {"secretKeyRef": {"name": "late", "key": "key"}}
        env = [{"name": "LATE", "valueFrom": reference}]
        await served.run("train-1", _PRINT_ENVIRONMENT, env=env)
        waiting = await _waiting(served, "CreateContainerConfigError")
        assert waiting.message == 'secret "late" not found'

        await served.core.create_namespaced_secret(NAMESPACE, secret("late", key="here"))

        assert (await _environment(served))["LATE"] == "here"


class TestMounts:
    async def test_paths_below_a_mount_lead_to_the_volume(self, served: Served) -> None:
        script = """
import os, sys, pathlib
print(sys.argv[1] == os.environ["DIR"] + "/x", os.environ["ELSEWHERE"], os.getcwd() == os.environ["DIR"])
print([oct(p.stat().st_mode & 0o777) for p in (pathlib.Path(sys.argv[1]).parent,)])
"""
        env = [{"name": "DIR", "value": "/mnt/it"}, {"name": "ELSEWHERE", "value": "/mnt/item"}]
        await served.run(
            "train-1",
            script,
            args=["/mnt/it/x"],
            env=env,
            workingDir="/mnt/it",
            **_mounted("train-1", emptyDir={"medium": "Memory"}),
        )
        await served.finished("train-1")

        assert await served.logs("train-1") == "True /mnt/item True\n['0o700']\n"

    async def test_a_secret_that_comes_late_holds_the_pod_until_then(self, served: Served) -> None:
        script = "import os, sys; p = sys.argv[1]; print(open(p).read(), oct(os.stat(p).st_mode))"
        mounted = _mounted("train-1", secret={"secretName": "late"})
        await served.run("train-1", script, args=["/mnt/it/key"], **mounted)
        await _waiting(served, "ContainerCreating")
        assert (await served.pod("train-1")).status.phase == "Pending"

        await served.core.create_namespaced_secret(NAMESPACE, secret("late", key="here"))

        await served.finished("train-1")
        assert await served.logs("train-1") == "here 0o100600\n"
        events = (await served.core.list_namespaced_event(NAMESPACE)).items
        assert "FailedMount" in {event.reason for event in events}

    async def test_a_changed_secret_is_seen_by_a_running_container(self, served: Served) -> None:
        script = """
import sys, time
while (text := open(sys.argv[1]).read()) != "new":
    print(text, flush=True)
    time.sleep(0.02)
print("seen")
"""
        await served.core.create_namespaced_secret(NAMESPACE, secret("s", key="old"))
        mounted = _mounted("train-1", secret={"secretName": "s"})
        await served.run("train-1", script, args=["/mnt/it/key"], **mounted)
        await served.said("train-1", "old")

        changed = {"stringData": {"key": "new"}}
        await served.core.patch_namespaced_secret("s", NAMESPACE, changed)

        await asyncio.wait_for(served.finished("train-1"), 2)
        assert (await served.logs("train-1")).endswith("seen\n")


class TestImages:
    async def test_an_unknown_image_cannot_be_pulled(self, served: Served) -> None:
        await served.run("train-1", "", image="nobody/knows:1")

        await _waiting(served, "ErrImagePull")
        waiting = await _waiting(served, "ImagePullBackOff")

        why = "not found on this machine"
        assert waiting.message == f'Back-off pulling image "nobody/knows:1": {why}'

    async def test_one_that_is_being_pulled_holds_the_pod_and_says_how_far_it_is(
        self, tmp_path: Path
    ) -> None:
        shelf: list[Image | Pull] = [Pull("unpacking")]
        later = [timedelta()]
        cluster = make_cluster(
            tmp_path / "cluster",
            images=lambda _: shelf[0],
            now=lambda: datetime.now(UTC) + later[0],
        )
        await cluster.start()
        try:
            async with serve(cluster, tmp_path) as served:
                await served.run("train-1", "print('ran')", pod={"activeDeadlineSeconds": 60})
                await _waiting(served, "ContainerCreating", "unpacking")
                shelf[0] = Pull("no disk left", failed=True)
                waiting = await _waiting(served, "ErrImagePull")
                assert waiting.message.endswith(": no disk left")
                shelf[0] = Pull("linking")
                await _waiting(served, "ContainerCreating", "linking")
                # Longer than the pod may be active: pulling is no part of that.
                later[0] = timedelta(hours=1)
                shelf[0] = Pull("checking")
                await _waiting(served, "ContainerCreating", "checking")
                shelf[0] = PYTHON
                await served.finished("train-1")
                assert await served.logs("train-1") == "ran\n"
                events = (await served.core.list_namespaced_event(NAMESPACE)).items
                pulling = [event for event in events if event.reason == "Pulling"]
                assert {event.type for event in pulling} == {"Normal"}
                assert any("unpacking" in event.message for event in pulling)
        finally:
            await cluster.stop(kill_pods=True)

    async def test_a_command_that_is_not_in_the_image_cannot_start(self, served: Served) -> None:
        await served.run("train-1", "", command=["no-such-program"])

        await served.finished("train-1")

        pod = await served.pod("train-1")
        ended = pod.status.container_statuses[0].state.terminated
        assert (ended.exit_code, ended.reason) == (128, "StartError")

    async def test_the_log_of_a_waiting_container_is_refused(self, served: Served) -> None:
        await served.run("train-1", "", image="nobody/knows:1")
        pod = await served.pod("train-1")
        await _waiting(served, "ErrImagePull")

        answer = await served.http.get(
            f"/api/v1/namespaces/{NAMESPACE}/pods/{pod.metadata.name}/log"
        )

        assert answer.status_code == 400
        assert "is waiting to start" in answer.json()["message"]


class TestLeftovers:
    async def test_what_a_container_leaves_running_ends_with_it(
        self, served: Served, tmp_path: Path
    ) -> None:
        script = (
            "import subprocess, sys; "
            "p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']); print(p.pid)"
        )
        await served.run("train-1", script)
        await served.finished("train-1")

        pid = int(await served.logs("train-1"))

        async def ended() -> bool:
            return not _runs(pid)

        await until(ended)

    async def test_the_folder_of_a_deleted_pod_goes_with_it(
        self, served: Served, tmp_path: Path
    ) -> None:
        await served.run("train-1", "")
        pod = await served.pod_in("train-1", "Succeeded")
        folder = tmp_path / "cluster/pods" / pod.metadata.uid
        assert container_process(folder, "trainer").claimed()

        await served.core.delete_namespaced_pod(pod.metadata.name, NAMESPACE)

        async def gone() -> bool:
            return not folder.exists()

        await until(gone)


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
