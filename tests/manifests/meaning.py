"""What an API server takes and nobody means: what the schemas of Knative's objects do not say."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from tests.manifests.objects import Manifest, at, group_of, label

LONGEST = 600
DIALECTS = {"exact", "prefix", "suffix", "all", "any", "not", "cesql"}
POD = "spec/template/spec"
BROKER_CLASSES = {"Kafka", "MTChannelBasedBroker"}


def _percent(text: str) -> bool:
    return text.isdigit() and 1 <= int(text) <= 100


def _seconds(text: str) -> bool:
    return re.fullmatch(r"\d+s", text) is not None


def _positive(text: str) -> bool:
    return re.fullmatch(r"\d+(\.\d+)?", text) is not None and float(text) > 0


ANNOTATIONS: dict[str, Callable[[str], bool]] = {
    "autoscaling.knative.dev/metric": {"concurrency", "rps"}.__contains__,
    "autoscaling.knative.dev/target": _positive,
    "autoscaling.knative.dev/target-utilization-percentage": _percent,
    "autoscaling.knative.dev/min-scale": str.isdigit,
    "autoscaling.knative.dev/max-scale": str.isdigit,
    "serving.knative.dev/progress-deadline": _seconds,
    "eventing.knative.dev/broker.class": BROKER_CLASSES.__contains__,
}


def problems(manifest: Manifest) -> list[str]:
    """What is wrong with the object, in words."""
    found = [*_annotations(manifest)]
    if manifest["kind"] == "Service" and group_of(manifest) == "serving.knative.dev":
        found += _service(manifest)
    if group_of(manifest) == "eventing.knative.dev":
        found += [p for delivery in at(manifest, "spec/delivery") for p in _delivery(delivery)]
        found += _filters(manifest["spec"].get("filters", []))
    if manifest["kind"] == "PingSource":
        found += _ping(manifest["spec"])
    return [f"{label(manifest)}: {problem}" for problem in found]


def _annotations(manifest: Manifest) -> Iterator[str]:
    for path in ("metadata/annotations", "spec/template/metadata/annotations"):
        for annotations in at(manifest, path):
            for name, value in annotations.items():
                if name not in ANNOTATIONS:
                    yield f"the annotation {name} is not known"
                elif not ANNOTATIONS[name](value):
                    yield f"the annotation {name} cannot be {value!r}"


def _service(manifest: Manifest) -> Iterator[str]:
    (timeout,) = at(manifest, f"{POD}/timeoutSeconds")
    if not 0 < timeout <= LONGEST:
        yield f"a request of {timeout} s is cut off"


def _delivery(delivery: dict[str, Any]) -> Iterator[str]:
    if delivery.get("backoffPolicy") not in {"linear", "exponential"}:
        yield f"{delivery.get('backoffPolicy')!r} is no back-off policy"
    for name in ("backoffDelay", "timeout"):
        match = re.fullmatch(r"PT(\d+(?:\.\d+)?)S", delivery.get(name, ""))
        if not match or not 0 < float(match[1]) <= LONGEST:
            yield f"{name} is not a duration of at most {LONGEST} s"


def _filters(filters: list[dict[str, Any]]) -> Iterator[str]:
    for element in filters:
        if len(element) != 1 or not set(element) <= DIALECTS:
            yield f"a filter has one dialect, not {sorted(element)}"
        yield from _filters([*element.get("all", []), *element.get("any", [])])
        yield from _filters([element["not"]] if "not" in element else [])


def _ping(spec: dict[str, Any]) -> Iterator[str]:
    try:
        data = json.loads(spec["data"])
    except (KeyError, TypeError, json.JSONDecodeError):
        data = None
    if not isinstance(data, dict):
        yield "data is not a JSON object"
    if len(spec["schedule"].split()) != 6:
        yield "the schedule has no field for seconds"
