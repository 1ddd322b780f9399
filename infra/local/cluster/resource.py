"""The kinds of objects that this API server knows."""

from dataclasses import dataclass
from typing import Any, NamedTuple

Json = dict[str, Any]


@dataclass(frozen=True)
class Resource:
    plural: str
    kind: str
    group: str = ""

    @property
    def api_version(self) -> str:
        return f"{self.group}/v1" if self.group else "v1"

    @property
    def qualified(self) -> str:
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def qualified_kind(self) -> str:
        return f"{self.kind}.{self.group}" if self.group else self.kind

    @property
    def prefix(self) -> str:
        return f"/apis/{self.group}/v1" if self.group else "/api/v1"


SECRETS = Resource("secrets", "Secret")
CONFIG_MAPS = Resource("configmaps", "ConfigMap")
PODS = Resource("pods", "Pod")
EVENTS = Resource("events", "Event")
JOBS = Resource("jobs", "Job", "batch")
ALL = (SECRETS, CONFIG_MAPS, PODS, EVENTS, JOBS)


class Key(NamedTuple):
    resource: str
    namespace: str
    name: str


def key_of(resource: Resource, body: Json) -> Key:
    return Key(resource.plural, body["metadata"]["namespace"], body["metadata"]["name"])


def named(plural: str) -> Resource:
    return next(each for each in ALL if each.plural == plural)
