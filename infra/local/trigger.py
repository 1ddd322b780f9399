"""What a Trigger says: which events, to whom, and how hard to try."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from infra.local.manifests import Manifest, name_of
from infra.local.problem import ManifestProblem

DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?")
TEXT_DIALECTS: Mapping[str, Callable[[str, str], bool]] = {
    "exact": str.__eq__,
    "prefix": str.startswith,
    "suffix": str.endswith,
}
DEFAULT_TIMEOUT = 600.0


@dataclass(frozen=True)
class Destination:
    function: str
    path: str = "/"


@dataclass(frozen=True)
class Delivery:
    retry: int = 0
    exponential: bool = True
    backoff: float = 0.2
    timeout: float = DEFAULT_TIMEOUT
    dead_letter: Destination | None = None

    def pause(self, tries: int) -> float:
        """Before the next try, after so many of them."""
        return self.backoff * (2 ** (tries - 1) if self.exponential else tries)


@dataclass(frozen=True)
class Trigger:
    name: str
    broker: str
    subscriber: Destination
    delivery: Delivery
    filters: tuple[Manifest, ...] = field(default=())

    def wants(self, attributes: Mapping[str, str]) -> bool:
        return all(_passes(item, attributes) for item in self.filters)


def read(manifest: Manifest, brokers: Mapping[str, Manifest]) -> Trigger:
    spec, name = manifest["spec"], name_of(manifest)
    if spec["broker"] not in brokers:
        raise ManifestProblem(f"Trigger {name} names the broker {spec['broker']}, unknown here.")
    defaults = brokers[spec["broker"]].get("spec", {}).get("delivery", {})
    filters = tuple(spec.get("filters") or _legacy(spec))
    for item in filters:
        _check(name, item)
    return Trigger(
        name=name,
        broker=spec["broker"],
        subscriber=destination(spec["subscriber"], wanted_by=f"Trigger {name}"),
        delivery=_delivery(spec.get("delivery") or defaults, name),
        filters=filters,
    )


def destination(sink: Manifest, *, wanted_by: str) -> Destination:
    if sink.get("ref", {}).get("kind") != "Service":
        raise ManifestProblem(f"{wanted_by} delivers to {sink}, which is no Service.")
    return Destination(str(sink["ref"]["name"]), str(sink.get("uri", "/")))


def seconds(duration: str) -> float:
    """ISO 8601, without months and years."""
    found = DURATION.fullmatch(duration)
    if found is None or duration in ("P", "PT"):
        raise ManifestProblem(f"{duration} is no ISO 8601 duration.")
    days, hours, minutes, rest = (float(part or 0) for part in found.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + rest


def _delivery(spec: Manifest, name: str) -> Delivery:
    sink = spec.get("deadLetterSink")
    return Delivery(
        retry=int(spec.get("retry", 0)),
        exponential=spec.get("backoffPolicy", "exponential") == "exponential",
        backoff=seconds(spec.get("backoffDelay", "PT0.2S")),
        timeout=seconds(spec["timeout"]) if "timeout" in spec else DEFAULT_TIMEOUT,
        dead_letter=destination(sink, wanted_by=f"Trigger {name}") if sink else None,
    )


def _legacy(spec: Manifest) -> list[Manifest]:
    """spec.filter.attributes: exact, where an empty value means any."""
    wanted = (spec.get("filter") or {}).get("attributes") or {}
    return [{"exact": {name: value}} for name, value in wanted.items() if value]


def _check(name: str, item: Manifest) -> None:
    if len(item) != 1:
        raise ManifestProblem(f"Trigger {name}: one dialect to a filter, not {sorted(item)}.")
    dialect, content = next(iter(item.items()))
    if dialect in ("any", "all"):
        for inner in content:
            _check(name, inner)
    elif dialect == "not":
        _check(name, content)
    elif dialect not in TEXT_DIALECTS:
        raise ManifestProblem(f"Trigger {name}: the filter dialect {dialect} is unknown here.")


def _passes(item: Manifest, attributes: Mapping[str, str]) -> bool:
    dialect, content = next(iter(item.items()))
    match dialect:
        case "any":
            return any(_passes(inner, attributes) for inner in content)
        case "all":
            return all(_passes(inner, attributes) for inner in content)
        case "not":
            return not _passes(content, attributes)
        case _:
            return _compares(TEXT_DIALECTS[dialect], content, attributes)


def _compares(
    compare: Callable[[str, str], bool], wanted: Mapping[str, Any], attributes: Mapping[str, str]
) -> bool:
    return all(
        name in attributes and compare(attributes[name], str(value))
        for name, value in wanted.items()
    )
