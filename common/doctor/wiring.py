"""Whether the broker brings each event to whom it concerns, as the cluster's own Triggers say.

Triggers are objects of the cluster, so the cluster is asked: it names each that is missing, also
where nothing has happened for days, and says of each whether its subscriber was found. A probing
event would show no more than its own way through the broker.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from common.doctor.finding import Finding
from common.launch.cluster import Cluster, Page, Refused
from eventing.catalogue import LISTENERS, EventType

CHECK = "triggers"
Filter = dict[str, Any]


class _Named(msgspec.Struct):
    name: str = ""


class _Subscriber(msgspec.Struct):
    ref: _Named = msgspec.field(default_factory=_Named)


class _Spec(msgspec.Struct):
    subscriber: _Subscriber = msgspec.field(default_factory=_Subscriber)
    filters: list[Filter] = []
    filter: Filter = {}


class _Condition(msgspec.Struct):
    type: str
    status: str
    message: str = ""


class _Status(msgspec.Struct):
    conditions: list[_Condition] = []


class Trigger(msgspec.Struct):
    """As much of a Trigger as says what it brings to whom."""

    metadata: _Named
    spec: _Spec
    status: _Status = msgspec.field(default_factory=_Status)

    @property
    def function(self) -> str:
        return self.spec.subscriber.ref.name

    @property
    def trouble(self) -> str | None:
        """What keeps it from delivering, in the cluster's own words."""
        ready = next((each for each in self.status.conditions if each.type == "Ready"), None)
        if ready is None:
            return "the cluster has not taken it up"
        return None if ready.status == "True" else ready.message or "the cluster does not say why"

    def brings(self, type_: EventType) -> bool:
        """Whether an event with this type, and nothing else, passes. Without `filters` the older
        `filter` counts, in which an empty value passes everything."""
        if self.spec.filters:
            return all(_passes(each, type_) for each in self.spec.filters)
        return self.spec.filter.get("attributes", {}).get("type", "") in ("", type_)


read = msgspec.json.Decoder(Page[Trigger]).decode


async def look_at_triggers(cluster: Cluster | None) -> list[Finding]:
    """A finding for each listener that is not served; one that says so where all are."""
    if cluster is None:
        return [_unseen("The function has no service account, and no KUBECONFIG.")]
    try:
        found = [each async for page in cluster.pages("triggers", read, "") for each in page]
    except Refused as refused:
        return [_unseen(f"The cluster did not list them: {refused.message}")]
    return examine(found)


def examine(
    found: Iterable[Trigger], listeners: Mapping[str, frozenset[EventType]] = LISTENERS
) -> list[Finding]:
    """The same of Triggers that were listed."""
    triggers = list(found)
    wrong = [
        finding
        for function, types in listeners.items()
        for finding in _of_function(function, types, triggers)
    ]
    return wrong or [Finding(CHECK, f"{len(listeners)} functions are told of all that they await.")]


def _unseen(seen: str) -> Finding:
    return Finding(
        CHECK,
        seen,
        wrong="The Triggers cannot be seen.",
        todo="See that Eventing is installed, and that the Role `doctor` is bound.",
    )


def _of_function(
    function: str, types: frozenset[EventType], triggers: Iterable[Trigger]
) -> Iterable[Finding]:
    theirs = [each for each in triggers if each.function == function]
    missing = sorted(t for t in types if not any(each.brings(t) for each in theirs))
    if missing:
        yield Finding(
            CHECK,
            f"Of the cluster's Triggers to {function} none brings {_short(missing)}.",
            wrong=f"{function} has no Trigger for events that it waits for.",
            todo=f"Apply eventing/triggers/{function}.yaml of this release.",
        )
    for each in theirs:
        if each.trouble:
            yield Finding(
                CHECK,
                f"The cluster says of the Trigger {each.metadata.name}: {each.trouble}.",
                wrong=f"The Trigger to {function} does not deliver.",
                todo=f"See `kubectl describe trigger {each.metadata.name}` and the Service {function}.",
            )


def _short(types: Iterable[str]) -> str:
    return ", ".join(each.removeprefix("dev.eventrain.").removesuffix(".v1") for each in types)


def _passes(item: Filter, type_: str) -> bool:
    (dialect, content), *_ = item.items()
    match dialect:
        case "any":
            return any(_passes(each, type_) for each in content)
        case "all":
            return all(_passes(each, type_) for each in content)
        case "not":
            return not _passes(content, type_)
        case "exact":
            return content == {"type": type_}
        case "prefix":
            return set(content) == {"type"} and type_.startswith(content["type"])
        case "suffix":
            return set(content) == {"type"} and type_.endswith(content["type"])
        case _:
            return False
