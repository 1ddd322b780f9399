"""The one node: what it offers, and whether a pod may run on it."""

import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import cast

from infra.local.cluster import quantity
from infra.local.cluster.resource import Json

Amounts = dict[str, Decimal]


def own_labels() -> dict[str, str]:
    return {
        "kubernetes.io/hostname": "local",
        "kubernetes.io/os": platform.system().lower(),
        "kubernetes.io/arch": platform.machine().lower(),
    }


@dataclass(frozen=True)
class Node:
    """Capacity in Kubernetes quantities (`{"cpu": "8", "nvidia.com/gpu": "1"}`)."""

    capacity: Mapping[str, str]
    labels: Mapping[str, str] = field(default_factory=own_labels)
    taints: tuple[Mapping[str, str], ...] = ()
    name: str = "local"

    def objections(self, pod: Json, held: list[Amounts]) -> list[str]:
        """Why the pod cannot run here, in the scheduler's words; empty when it can."""
        spec = pod["spec"]
        selector = cast(dict[str, str], spec.get("nodeSelector") or {})
        if any(self.labels.get(key) != value for key, value in selector.items()):
            return ["node(s) didn't match Pod's node affinity/selector"]
        for taint in self.taints:
            if taint.get("effect") != "PreferNoSchedule" and not _tolerated(spec, taint):
                return [
                    f"node(s) had untolerated taint {{{taint['key']}: {taint.get('value', '')}}}"
                ]
        return self._lacks(requests(pod), held)

    def _lacks(self, wanted: Amounts, held: list[Amounts]) -> list[str]:
        lacking: list[str] = []
        for name, amount in sorted(wanted.items()):
            room = quantity.read(self.capacity.get(name, "0"))
            used = sum((each.get(name, Decimal(0)) for each in held), Decimal(0))
            if amount > room - used:
                lacking.append(f"Insufficient {name}")
        return lacking


def requests(pod: Json) -> Amounts:
    total: Amounts = {}
    for container in pod["spec"]["containers"]:
        for name, value in (container["resources"].get("requests") or {}).items():
            total[name] = total.get(name, Decimal(0)) + quantity.read(value)
    return {
        name: amount for name, amount in total.items() if amount and name != "ephemeral-storage"
    }


def _tolerated(spec: Json, taint: Mapping[str, str]) -> bool:
    for toleration in cast(list[Json], spec.get("tolerations") or []):
        key, effect = toleration.get("key"), toleration.get("effect")
        if key not in (None, "", taint["key"]) or effect not in (None, "", taint["effect"]):
            continue
        exists = toleration.get("operator") == "Exists"
        if exists or toleration.get("value", "") == taint.get("value", ""):
            return True
    return False
