"""The Kubernetes API of Jobs, Secrets and Pods on one machine, with processes for containers."""

from infra.local.cluster.cluster import Cluster
from infra.local.cluster.environment import Image
from infra.local.cluster.faults import Faults
from infra.local.cluster.preparation import Pull

__all__ = ["Cluster", "Faults", "Image", "Pull"]
