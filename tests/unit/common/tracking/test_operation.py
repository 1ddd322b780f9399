"""What is refused of a report of MLflow's client, and by which field."""

from typing import Any

import pytest

from common.errors import Invalid
from common.tracking import operation

RUN = "0" * 32


class TestRead:
    def test_knows_every_operation(self) -> None:
        told: list[dict[str, Any]] = [
            {"op": "run", "run": RUN, "name": "a", "parent": None, "main": True, "startTime": 1},
            {"op": "tags", "run": RUN, "tags": {"a": "b"}},
            {"op": "untag", "run": RUN, "key": "a"},
            {"op": "params", "run": RUN, "params": {"lr": "0.1"}},
            {"op": "metrics", "run": RUN, "metrics": [["loss", 1, 1, 0], ["acc", "NaN", 2, -1]]},
            {"op": "status", "run": RUN, "status": "FINISHED", "endTime": 2},
            {"op": "rename", "run": RUN, "name": "b"},
            {"op": "inputs", "run": RUN, "datasets": [{"dataset": {}}], "models": []},
            {"op": "outputs", "run": RUN, "models": [{}]},
            {"op": "model", "model": f"m-{RUN}", "run": RUN, "name": "m", "type": "sklearn"},
            {"op": "model_status", "model": f"m-{RUN}", "status": "READY"},
            {"op": "model_tags", "model": f"m-{RUN}", "tags": {}},
        ]
        assert len(operation.read({"ops": told})) == len(told)

    @pytest.mark.parametrize(
        ("op", "field"),
        [
            ({"op": "sing", "run": RUN}, "payload.ops.1"),
            ({"op": "tags", "run": RUN}, "payload.ops.1"),
            ({"op": "tags", "run": "me", "tags": {}}, "payload.ops.1.run"),
            ({"op": "tags", "run": "", "tags": {}}, "payload.ops.1.run"),
            ({"op": "params", "run": RUN, "params": {"lr": 0.1}}, "payload.ops.1.params"),
            ({"op": "metrics", "run": RUN, "metrics": [["a", "x", 1, 1]]}, "payload.ops.1.metrics"),
            ({"op": "status", "run": RUN, "status": "HAPPY"}, "payload.ops.1.status"),
            ({"op": "run", "run": RUN, "startTime": 10**15}, "payload.ops.1.startTime"),
            ({"op": "model", "model": RUN}, "payload.ops.1.model"),
            (3, "payload.ops.1"),
        ],
    )
    def test_refuses_another_shape_by_field(self, op: Any, field: str) -> None:
        good = {"op": "untag", "run": RUN, "key": "a"}
        with pytest.raises(Invalid) as refused:
            operation.read({"ops": [good, op]})
        assert refused.value.violations[0].field.startswith(field)

    @pytest.mark.parametrize("payload", [{}, {"ops": {}}, {"ops": None}])
    def test_refuses_a_payload_without_operations(self, payload: dict[str, Any]) -> None:
        with pytest.raises(Invalid, match="payload"):
            operation.read(payload)
