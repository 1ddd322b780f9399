from typing import Any

import pytest

from tests.unit.trainer.relay.shop import Shop


@pytest.fixture
def runs(shop: Shop) -> Shop:
    for number, name in enumerate(("a", "b", "c")):
        run = shop.run(run_name=name, start_time=number)
        shop.call("runs/log-metric", run_id=run, key="val loss", value=number, timestamp=1, step=0)
        shop.call("runs/log-parameter", run_id=run, key="depth", value=str(number))
        shop.call("runs/set-tag", run_id=run, key="mlflow.source.name", value=f"train_{name}.py")
    return shop


def names(shop: Shop, **asked: Any) -> list[str]:
    found = shop.call("runs/search", experiment_ids=["1"], **asked)
    return [run["info"]["run_name"] for run in found["runs"]]


class TestSearch:
    @pytest.mark.parametrize(
        ("filter_", "expected"),
        [
            ("", ["c", "b", "a"]),
            ("metrics.`val loss` >= 1", ["c", "b"]),
            ('metrics."val loss" < 1 and params.depth = "0"', ["a"]),
            ("params.depth IN ('0', '2')", ["c", "a"]),
            ("params.depth NOT IN ('0', '2')", ["b"]),
            ("tags.mlflow.source.name LIKE '%_b.py'", ["b"]),
            ("tags.mlflow.source.name ilike 'TRAIN%'", ["c", "b", "a"]),
            ("attributes.run_name != 'a' AND status = 'RUNNING'", ["c", "b"]),
            ("tags.absent IS NULL", ["c", "b", "a"]),
            ("tags.absent = 'x'", []),
            ("start_time > 0", ["c", "b"]),
        ],
    )
    def test_finds_by_a_filter(self, runs: Shop, filter_: str, expected: list[str]) -> None:
        assert names(runs, filter=filter_) == expected

    @pytest.mark.parametrize(
        "filter_", ["metrics.loss >", "nothing.a = 1", "or", "metrics.a = 1 params.b = 2"]
    )
    def test_refuses_what_is_no_filter(self, runs: Shop, filter_: str) -> None:
        refused = runs.refused("runs/search", experiment_ids=["1"], filter=filter_)
        assert refused == (400, "INVALID_PARAMETER_VALUE")

    def test_orders_and_pages(self, runs: Shop) -> None:
        order = ["metrics.`val loss` ASC"]
        assert names(runs, order_by=order) == ["a", "b", "c"]
        first = runs.call("runs/search", experiment_ids=["1"], order_by=order, max_results=2)
        assert names(runs, order_by=order, page_token=first["next_page_token"]) == ["c"]

    def test_looks_only_into_the_experiments_that_are_named(self, runs: Shop) -> None:
        assert runs.call("runs/search", experiment_ids=["0"]) == {"runs": []}
