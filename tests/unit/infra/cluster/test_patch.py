from typing import Any

import pytest

from infra.local.cluster import patch
from infra.local.cluster.status import Refused

_MERGE = "application/merge-patch+json"
_STRATEGIC = "application/strategic-merge-patch+json"
_JSON = "application/json-patch+json"


class TestMerge:
    def test_sets_removes_and_goes_down(self) -> None:
        found = patch.apply(_MERGE, {"a": {"b": 1, "c": 2}, "d": 3}, {"a": {"b": None, "e": 4}})

        assert found == {"a": {"c": 2, "e": 4}, "d": 3}

    def test_replaces_lists(self) -> None:
        assert patch.apply(_MERGE, {"a": [1, 2]}, {"a": [3]}) == {"a": [3]}

    def test_leaves_the_target_as_it_was(self) -> None:
        target = {"a": {"b": 1}}

        patch.apply(_MERGE, target, {"a": {"b": 2}})

        assert target == {"a": {"b": 1}}

    def test_is_an_object(self) -> None:
        with pytest.raises(Refused):
            patch.apply(_MERGE, {}, [1])


class TestStrategicMerge:
    def test_merges_lists_by_their_key(self) -> None:
        target = {"containers": [{"name": "a", "image": "1"}, {"name": "b", "image": "1"}]}
        changes = {"containers": [{"name": "b", "image": "2"}, {"name": "c", "image": "3"}]}

        found = patch.apply(_STRATEGIC, target, changes)

        assert [(each["name"], each["image"]) for each in found["containers"]] == [
            ("a", "1"),
            ("b", "2"),
            ("c", "3"),
        ]

    def test_removes_what_is_marked(self) -> None:
        target = {"env": [{"name": "A"}, {"name": "B"}]}
        changes = {"env": [{"name": "A", "$patch": "delete"}]}

        assert patch.apply(_STRATEGIC, target, changes) == {"env": [{"name": "B"}]}


class TestJsonPatch:
    @pytest.mark.parametrize(
        ("operation", "expected"),
        [
            ({"op": "add", "path": "/a/x~1y", "value": 1}, {"a": {"b": [1, 2], "x/y": 1}}),
            ({"op": "add", "path": "/a/b/1", "value": 9}, {"a": {"b": [1, 9, 2]}}),
            ({"op": "add", "path": "/a/b/-", "value": 9}, {"a": {"b": [1, 2, 9]}}),
            ({"op": "replace", "path": "/a/b/0", "value": 9}, {"a": {"b": [9, 2]}}),
            ({"op": "remove", "path": "/a/b"}, {"a": {}}),
            ({"op": "test", "path": "/a/b/0", "value": 1}, {"a": {"b": [1, 2]}}),
            ({"op": "move", "from": "/a/b", "path": "/c"}, {"a": {}, "c": [1, 2]}),
            ({"op": "copy", "from": "/a/b/0", "path": "/c"}, {"a": {"b": [1, 2]}, "c": 1}),
        ],
    )
    def test_operates(self, operation: Any, expected: Any) -> None:
        assert patch.apply(_JSON, {"a": {"b": [1, 2]}}, [operation]) == expected

    @pytest.mark.parametrize(
        "operation",
        [
            {"op": "replace", "path": "/none", "value": 1},
            {"op": "remove", "path": "/a/b/7"},
            {"op": "test", "path": "/a/b/0", "value": 2},
            {"op": "guess", "path": "/a"},
            {"path": "/a"},
            "text",
        ],
    )
    def test_refuses_what_does_not_apply(self, operation: Any) -> None:
        with pytest.raises(Refused, match="cannot be applied"):
            patch.apply(_JSON, {"a": {"b": [1, 2]}}, [operation])
