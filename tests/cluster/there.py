"""A cluster as the place of the journeys."""

import base64
import contextlib
import time
from collections.abc import Callable, Generator, Mapping
from typing import Any
from uuid import uuid4

from kubernetes import client, config
from kubernetes.client import ApiException

from tests.cluster.settings import ClusterSettings
from tests.functional.user import User
from tests.functional.world import lacks, ring_of, token_of

EVENTING = ("eventing.knative.dev", "v1")
SERVING = ("serving.knative.dev", "v1")
SLEEPS_WITHIN = 300.0
GPU_TYPES = ("eventrain-config", "gpu-types.yaml")


class There:
    """A World that is reached by its address and by the Kubernetes API."""

    def __init__(self, settings: ClusterSettings) -> None:
        self._settings = settings
        self.api = config.new_client_from_config(config_file=settings.kubeconfig)
        self._core = client.CoreV1Api(self.api)
        self._rights = client.RbacAuthorizationV1Api(self.api)
        self._custom = client.CustomObjectsApi(self.api)
        self._ring = settings.ring or self._read_ring()
        self._project = str(uuid4())
        self._people: list[User] = []

    def person(self, role: str, project_id: str | None = None) -> User:
        project = project_id or self._project
        token = token_of(self._ring, f"a {role}", project, role)
        made = User(
            self._settings.address,
            token,
            project,
            trainer=self._settings.trainer,
            patience=self._settings.patience,
        )
        self._people.append(made)
        return made

    def environments(self, job_id: str) -> list[Mapping[str, str]]:
        return [
            {entry.name: entry.value for entry in pod.spec.containers[0].env if entry.value}
            for pod in self._pods(job_id)
        ]

    def has_trainers(self, job_id: str) -> bool:
        return any(pod.status.phase in ("Pending", "Running") for pod in self._pods(job_id))

    def kill_trainers(self, job_id: str) -> None:
        for pod in self._pods(job_id):
            self._core.delete_namespaced_pod(
                pod.metadata.name, pod.metadata.namespace, grace_period_seconds=0
            )

    def preempt(self, job_id: str) -> None:
        for pod in self._pods(job_id):
            self._core.delete_namespaced_pod(pod.metadata.name, pod.metadata.namespace)

    def lose_node(self, job_id: str) -> None:
        lacks("a node that may be lost")

    def store_key(self) -> str:
        with _lacking("a Secret eventrain-s3 that may be read"):
            found = self._core.read_namespaced_secret("eventrain-s3", self._settings.namespace)
        return base64.b64decode(found.data["secret-access-key"]).decode()

    @contextlib.contextmanager
    def offering(self, change: Callable[[str], str]) -> Generator[None]:
        name, file = GPU_TYPES
        with _lacking("a ConfigMap eventrain-config that may be edited"):
            before = self._core.read_namespaced_config_map(name, self._settings.namespace)
        self._write_config(name, file, change(before.data[file]))
        try:
            yield
        finally:
            self._write_config(name, file, before.data[file])

    @contextlib.contextmanager
    def without(self, function: str) -> Generator[None]:
        """Its Trigger leads to a path where nobody takes anything."""
        with _lacking("a Trigger that may be edited"):
            self._read(EVENTING, "triggers", function)
        self._subscribe(function, "/nowhere")
        try:
            yield
        finally:
            self._subscribe(function, None)

    @contextlib.contextmanager
    def denying(self, verb: str, resource: str) -> Generator[None]:
        """Taken out of every Role among the trainers."""
        namespace = self._settings.trainer_namespace
        with _lacking("Roles that may be edited"):
            roles = self._rights.list_namespaced_role(
                namespace, label_selector="app.kubernetes.io/part-of=eventrain"
            ).items
        before = {role.metadata.name: self.api.sanitize_for_serialization(role) for role in roles}
        for name, role in before.items():
            self._grant(name, [_without(rule, verb, resource) for rule in role["rules"]])
        try:
            yield
        finally:
            for name, role in before.items():
                self._grant(name, role["rules"])

    def put_to_sleep(self, function: str) -> None:
        with _lacking("Knative Serving's API"):
            service = self._read(SERVING, "services", function)
        annotations = service["spec"]["template"]["metadata"].get("annotations", {})
        if int(annotations.get("autoscaling.knative.dev/min-scale", 0)):
            lacks(f"a {function} that may scale to zero")
        deadline = time.monotonic() + SLEEPS_WITHIN
        while self.is_awake(function):
            assert time.monotonic() < deadline, f"{function} does not scale to zero"
            time.sleep(2)

    def is_awake(self, function: str) -> bool:
        selector = f"serving.knative.dev/service={function}"
        pods = self._core.list_namespaced_pod(self._settings.namespace, label_selector=selector)
        return bool(pods.items)

    def close(self) -> None:
        for person in self._people:
            person.close()
        self.api.close()

    def _read_ring(self) -> Mapping[str, Any]:
        secret = self._core.read_namespaced_secret(
            "eventrain-user-token-keys", self._settings.namespace
        )
        return ring_of(base64.b64decode(secret.data["keys.json"]).decode())

    def _pods(self, job_id: str) -> list[Any]:
        namespace, selector = self._settings.trainer_namespace, f"job-id={job_id}"
        return self._core.list_namespaced_pod(namespace, label_selector=selector).items

    def _read(self, group: tuple[str, str], plural: str, name: str) -> Any:
        return self._custom.get_namespaced_custom_object(
            *group, self._settings.namespace, plural, name
        )

    def _subscribe(self, function: str, uri: str | None) -> None:
        change = {"spec": {"subscriber": {"uri": uri}}}
        self._custom.patch_namespaced_custom_object(
            *EVENTING, self._settings.namespace, "triggers", function, change
        )

    def _write_config(self, name: str, file: str, text: str) -> None:
        change = {"data": {file: text}}
        self._core.patch_namespaced_config_map(name, self._settings.namespace, change)

    def _grant(self, role: str, rules: list[Any]) -> None:
        namespace = self._settings.trainer_namespace
        self._rights.patch_namespaced_role(role, namespace, {"rules": rules})


@contextlib.contextmanager
def _lacking(what: str) -> Generator[None]:
    try:
        yield
    except ApiException as refused:
        if refused.status not in (403, 404):
            raise
        lacks(what)


def _without(rule: Mapping[str, Any], verb: str, resource: str) -> Mapping[str, Any]:
    if resource not in rule["resources"]:
        return rule
    return {**rule, "verbs": [each for each in rule["verbs"] if each != verb]}
