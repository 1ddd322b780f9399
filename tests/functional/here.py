"""The local stack as the place of the journeys."""

import contextlib
import json
import signal
import time
from collections.abc import Callable, Generator, Iterator, Mapping

import httpx
import psutil
import yaml

from tests.functional.stack import Up
from tests.functional.user import User
from tests.functional.world import ring_of, token_of

TRAINERS = "eventrain-trainers"
PODS = f"/api/v1/namespaces/{TRAINERS}/pods"
TRIGGERS = "/apis/eventing.knative.dev/v1/namespaces/eventrain/triggers"


class Here:
    """A World of processes on this machine."""

    def __init__(self, up: Up, user: User) -> None:
        self._up = up
        self._user = user
        self._people: list[User] = []

    def person(self, role: str, project_id: str | None = None) -> User:
        secrets = json.loads((self._up.home / "secrets.json").read_text())
        project = project_id or self._user.project_id
        token = token_of(ring_of(secrets["user_token_keys"]), f"a {role}", project, role)
        self._people.append(User(str(self._user.http.base_url), token, project))
        return self._people[-1]

    def environments(self, job_id: str) -> list[Mapping[str, str]]:
        return [process.environ() for process in self._up.trainers(job_id)]

    def has_trainers(self, job_id: str) -> bool:
        return bool(self._up.trainers(job_id))

    def kill_trainers(self, job_id: str) -> None:
        for process in self._up.trainers(job_id):
            process.send_signal(signal.SIGKILL)

    def preempt(self, job_id: str) -> None:
        with self._kubernetes() as client:
            pods = client.get(PODS, params={"labelSelector": f"job-id={job_id}"}).json()["items"]
            for pod in pods:
                name = pod["metadata"]["name"]
                fault = {"namespace": TRAINERS, "pod": name, "reason": "Preempted"}
                client.post("/_faults/evict", json=fault).raise_for_status()

    def lose_node(self, job_id: str) -> None:
        with self._kubernetes() as client:
            client.post("/_faults/node", json={"do": "lose"}).raise_for_status()

    def store_key(self) -> str:
        return json.loads((self._up.home / "secrets.json").read_text())["s3_secret_access_key"]

    @contextlib.contextmanager
    def offering(self, change: Callable[[str], str]) -> Generator[None]:
        file = self._up.home / "config" / "gpu-types.yaml"
        before = file.read_text()
        file.write_text(change(before))
        try:
            yield
        finally:
            file.write_text(before)

    @contextlib.contextmanager
    def without(self, function: str) -> Generator[None]:
        """Its Trigger leads to a path where nobody takes anything."""
        self._lead(function, "/nowhere")
        try:
            yield
        finally:
            self._lead(function, None)

    @contextlib.contextmanager
    def denying(self, verb: str, resource: str) -> Generator[None]:
        fault = {"kind": "forbidden", "verb": verb, "resource": resource, "times": None}
        with self._kubernetes() as client:
            number = client.post("/_faults", json=fault).raise_for_status().json()["id"]
            try:
                yield
            finally:
                client.delete("/_faults", params={"id": number}).raise_for_status()

    def put_to_sleep(self, function: str) -> None:
        deadline = time.monotonic() + 60
        self._signal(function, signal.SIGTERM)
        while self.is_awake(function):
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def is_awake(self, function: str) -> bool:
        return any(self._instances(function))

    def close(self) -> None:
        for person in self._people:
            person.close()

    def _kubernetes(self) -> httpx.Client:
        config = yaml.safe_load((self._up.home / "kubeconfig.yaml").read_text())
        token = config["users"][0]["user"]["token"]
        address = config["clusters"][0]["cluster"]["server"]
        return httpx.Client(base_url=address, headers={"authorization": f"Bearer {token}"})

    def _lead(self, function: str, path: str | None) -> None:
        change = {"spec": {"subscriber": {"uri": path}}}
        with self._kubernetes() as client:
            client.patch(
                f"{TRIGGERS}/{function}",
                content=json.dumps(change),
                headers={"content-type": "application/merge-patch+json"},
            ).raise_for_status()

    def _signal(self, function: str, number: signal.Signals) -> None:
        for process in self._instances(function):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(number)

    def _instances(self, function: str) -> Iterator[psutil.Process]:
        for child in psutil.Process(self._up.pid).children():
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                if child.status() == psutil.STATUS_ZOMBIE:
                    continue
                if child.environ().get("FUNCTION_TARGET") == function.replace("-", "_"):
                    yield child
