"""Which cluster is meant: said by the environment, and only on purpose.

EVENTRAIN_CLUSTER_ADDRESS    the address at which users reach it; without it nothing is tried
KUBECONFIG                   who may read pods and Secrets there, delete pods, edit Triggers
EVENTRAIN_USER_KEYS          the key ring that signs users' tokens, or a file that holds it;
                             otherwise it is read from the cluster's Secret
EVENTRAIN_NAMESPACE          of the functions (eventrain)
TRAINER_NAMESPACE            of the trainers (eventrain-trainers)
EVENTRAIN_CLUSTER_FRAMEWORK  the trainer (sklearn)
EVENTRAIN_CLUSTER_IMAGE      its image, instead of the configured one
EVENTRAIN_CLUSTER_PATIENCE   a factor for every time limit (5)
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tests.functional.world import ring_of

ADDRESS = "EVENTRAIN_CLUSTER_ADDRESS"


class NoCluster(Exception):
    """No cluster is named: see tests/cluster/settings.py for what to set."""


@dataclass(frozen=True)
class ClusterSettings:
    address: str
    kubeconfig: str
    ring: Mapping[str, Any] | None
    namespace: str
    trainer_namespace: str
    trainer: Mapping[str, str]
    patience: float

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self:
        """Raises NoCluster where none is named, and ValueError where one is named in part."""
        if not environ.get(ADDRESS):
            raise NoCluster(NoCluster.__doc__)
        kubeconfig = environ.get("KUBECONFIG")
        if not kubeconfig:
            raise ValueError("A cluster's address is named, but no KUBECONFIG.")
        keys = environ.get("EVENTRAIN_USER_KEYS", "")
        image = environ.get("EVENTRAIN_CLUSTER_IMAGE")
        framework = {"framework": environ.get("EVENTRAIN_CLUSTER_FRAMEWORK", "sklearn")}
        return cls(
            address=environ[ADDRESS].rstrip("/"),
            kubeconfig=kubeconfig,
            ring=_ring(keys) if keys else None,
            namespace=environ.get("EVENTRAIN_NAMESPACE", "eventrain"),
            trainer_namespace=environ.get("TRAINER_NAMESPACE", "eventrain-trainers"),
            trainer=framework | ({"image": image} if image else {}),
            patience=float(environ.get("EVENTRAIN_CLUSTER_PATIENCE", "5")),
        )


def _ring(keys: str) -> Mapping[str, Any]:
    return ring_of(keys if keys.lstrip().startswith("{") else Path(keys).read_text())
