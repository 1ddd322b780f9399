from decimal import Decimal
from typing import Any

import pytest

from infra.local.cluster.node import Node


def _pod(**spec: Any) -> Any:
    limits = {"requests": {"cpu": "500m", "nvidia.com/gpu": "1"}}
    return {"spec": {"containers": [{"name": "c", "resources": limits}], **spec}}


class TestNode:
    def test_counts_what_others_hold(self) -> None:
        node = Node({"cpu": "1", "nvidia.com/gpu": "1"})

        assert node.objections(_pod(), []) == []
        held = [{"nvidia.com/gpu": Decimal(1), "cpu": Decimal("0.6")}]
        assert node.objections(_pod(), held) == ["Insufficient cpu", "Insufficient nvidia.com/gpu"]

    @pytest.mark.parametrize(
        ("toleration", "tolerated"),
        [
            ({"operator": "Exists"}, True),
            ({"key": "k", "operator": "Exists"}, True),
            ({"key": "k", "operator": "Equal", "value": "v"}, True),
            ({"key": "k", "value": "v", "effect": "NoSchedule"}, True),
            ({"key": "k", "value": "other"}, False),
            ({"key": "other", "operator": "Exists"}, False),
            ({"key": "k", "operator": "Exists", "effect": "NoExecute"}, False),
        ],
    )
    def test_reads_tolerations(self, toleration: Any, tolerated: bool) -> None:
        taint = {"key": "k", "value": "v", "effect": "NoSchedule"}
        node = Node({"cpu": "1", "nvidia.com/gpu": "1"}, taints=(taint,))

        assert (node.objections(_pod(tolerations=[toleration]), []) == []) is tolerated
