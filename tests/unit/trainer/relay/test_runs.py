import math
from typing import Any

import pytest

from tests.unit.trainer.relay.shop import Shop

AT = 1_767_225_600_123


def metric(key: str = "loss", value: Any = 0.5, step: int = 1, at: int = AT) -> dict[str, Any]:
    return {"key": key, "value": value, "timestamp": at, "step": step}


class TestRuns:
    def test_the_first_without_a_parent_is_the_main_one(self, shop: Shop) -> None:
        first, second = shop.run(), shop.run()
        child = shop.run(parent=first)

        told = {each["run"]: (each["main"], each["parent"]) for each in shop.told("run")}
        assert told == {first: (True, None), second: (False, None), child: (False, first)}

    def test_are_read_back_as_they_were_told(self, shop: Shop) -> None:
        run = shop.run(run_name="mine", start_time=AT, user_id="ada")
        shop.call(
            "runs/log-batch",
            run_id=run,
            metrics=[metric()],
            params=[{"key": "lr", "value": "0.1"}],
            tags=[{"key": "team", "value": "a"}],
        )
        shop.call("runs/update", run_id=run, status="FINISHED", end_time=AT + 5)

        _, found = shop.ask("GET", f"runs/get?run_id={run}")
        info, data = found["run"]["info"], found["run"]["data"]
        assert (info["run_name"], info["status"], info["start_time"], info["end_time"]) == (
            "mine",
            "FINISHED",
            AT,
            AT + 5,
        )
        assert data["metrics"] == [metric()]
        assert data["params"] == [{"key": "lr", "value": "0.1"}]
        assert {"key": "team", "value": "a"} in data["tags"]

    def test_keep_a_parameter_as_it_was_first_told(self, shop: Shop) -> None:
        run = shop.run()
        shop.call("runs/log-parameter", run_id=run, key="lr", value="0.1")
        shop.call("runs/log-parameter", run_id=run, key="lr", value="0.1")

        refused = shop.refused("runs/log-parameter", run_id=run, key="lr", value="0.2")
        assert refused == (400, "INVALID_PARAMETER_VALUE")
        assert [each["params"] for each in shop.told("params")] == [{"lr": "0.1"}]

    def test_take_a_batch_whole_or_not_at_all(self, shop: Shop) -> None:
        run = shop.run()
        shop.call("runs/log-parameter", run_id=run, key="lr", value="0.1")
        refused = shop.refused(
            "runs/log-batch", run_id=run, metrics=[metric()], params=[{"key": "lr", "value": "9"}]
        )

        assert refused[0] == 400
        assert shop.points == []

    def test_are_forgotten_by_no_search_but_by_their_deletion(self, shop: Shop) -> None:
        run = shop.run()
        shop.call("runs/delete", run_id=run)

        assert shop.call("runs/search", experiment_ids=["1"]) == {"runs": []}
        assert shop.refused("runs/set-tag", run_id=run, key="a", value="b")[0] == 400
        shop.call("runs/restore", run_id=run)
        assert len(shop.call("runs/search", experiment_ids=["1"])["runs"]) == 1

    @pytest.mark.parametrize(
        ("deed", "body", "expected"),
        [
            ("runs/log-metric", {"run_id": "0" * 32, **metric()}, (404, "RESOURCE_DOES_NOT_EXIST")),
            ("runs/log-metric", metric("a?b"), (400, "INVALID_PARAMETER_VALUE")),
            ("runs/log-metric", metric("../up"), (400, "INVALID_PARAMETER_VALUE")),
            ("runs/log-metric", metric("x" * 251), (400, "INVALID_PARAMETER_VALUE")),
            ("runs/log-metric", metric(value="much"), (400, "INVALID_PARAMETER_VALUE")),
            ("runs/log-metric", metric(value=None), (400, "INVALID_PARAMETER_VALUE")),
            ("runs/log-metric", metric(at=-1), (400, "INVALID_PARAMETER_VALUE")),
            ("runs/log-batch", {"metrics": [metric()] * 1001}, (400, "INVALID_PARAMETER_VALUE")),
            ("runs/log-batch", {"params": [{"key": "a", "value": "1"}] * 2},
             (400, "INVALID_PARAMETER_VALUE")),
            ("runs/log-batch", {"tags": "none"}, (400, "INVALID_PARAMETER_VALUE")),
            ("runs/update", {"status": "DONE"}, (400, "INVALID_PARAMETER_VALUE")),
            ("runs/delete-tag", {"key": "none"}, (404, "RESOURCE_DOES_NOT_EXIST")),
            ("runs/log-model", {"model_json": "{"}, (400, "INVALID_PARAMETER_VALUE")),
        ],
    )  # fmt: skip
    def test_refuse_in_mlflows_words_and_change_nothing(
        self, shop: Shop, deed: str, body: dict[str, Any], expected: tuple[int, str]
    ) -> None:
        run = shop.run()
        assert shop.refused(deed, **({"run_id": run} | body)) == expected
        assert shop.points == []
        assert {each["op"] for each in shop.told()} == {"run"}


class TestMetrics:
    def test_of_the_main_run_are_points_with_their_own_time(self, shop: Shop) -> None:
        run = shop.run()
        for value in (0.5, "NaN", "-Infinity"):
            shop.call("runs/log-metric", run_id=run, **metric(value=value))

        assert [(p.name, p.step, p.time) for p in shop.points] == [("loss", 1, AT / 1000)] * 3
        assert math.isnan(shop.points[1].value)
        assert shop.points[2].value == -math.inf
        assert shop.latest == {"step": 1}
        assert shop.told("metrics") == []

    def test_of_other_runs_are_told_in_order(self, shop: Shop) -> None:
        child = shop.run(parent=shop.run())
        shop.call("runs/log-batch", run_id=child, metrics=[metric(step=n) for n in range(1000)])

        told = [each for op in shop.told("metrics") for each in op["metrics"]]
        assert told == [["loss", 0.5, AT, n] for n in range(1000)]
        assert shop.points == []

    def test_told_once_more_count_once(self, shop: Shop) -> None:
        run = shop.run()
        for _ in range(2):
            shop.call("runs/log-batch", run_id=run, metrics=[metric(), metric(value="NaN", step=2)])

        assert len(shop.points) == 2
        history = shop.ask("GET", f"metrics/get-history?run_id={run}&metric_key=loss")[1]
        assert [each["value"] for each in history["metrics"]] == [0.5, "NaN"]

    def test_show_the_one_of_the_latest_step(self, shop: Shop) -> None:
        run = shop.run()
        shop.call("runs/log-metric", run_id=run, **metric(value=1, step=9))
        shop.call("runs/log-metric", run_id=run, **metric(value=2, step=3))

        _, found = shop.ask("GET", f"runs/get?run_id={run}")
        assert found["run"]["data"]["metrics"][0]["value"] == 1

    def test_have_a_history_in_pages(self, shop: Shop) -> None:
        run = shop.run()
        shop.call("runs/log-batch", run_id=run, metrics=[metric(step=n) for n in range(5)])

        path = f"metrics/get-history?run_id={run}&metric_key=loss&max_results=3"
        _, first = shop.ask("GET", path)
        _, rest = shop.ask("GET", f"{path}&page_token={first['next_page_token']}")
        assert [each["step"] for each in first["metrics"] + rest["metrics"]] == list(range(5))
        assert "next_page_token" not in rest

    def test_that_no_heartbeat_could_carry_are_bent_or_left_out_with_a_warning(
        self, shop: Shop
    ) -> None:
        run = shop.run()
        shop.call("runs/log-metric", run_id=run, **metric(step=-5, at=10**15))
        shop.call("runs/log-metric", run_id=run, **metric(key="x" * 220))

        [point] = shop.points
        assert (point.step, point.time) == (0, 253_402_300_799)
        assert len(shop.warnings) == 2


class TestInputsAndOutputs:
    def test_are_told_and_read_back(self, shop: Shop) -> None:
        run = shop.run()
        dataset = {"name": "d", "digest": "1", "source_type": "local", "source": "{}"}
        for _ in range(2):
            shop.call("runs/log-inputs", run_id=run, datasets=[{"dataset": dataset, "tags": []}])
        shop.call("runs/outputs", run_id=run, models=[{"model_id": "m-1", "step": 3}])

        _, found = shop.ask("GET", f"runs/get?run_id={run}")
        assert [each["dataset"] for each in found["run"]["inputs"]["dataset_inputs"]] == [dataset]
        assert found["run"]["outputs"]["model_outputs"] == [{"model_id": "m-1", "step": 3}]
        assert [len(each["datasets"]) for each in shop.told("inputs")] == [1]

    def test_leave_out_a_profile_that_is_too_large(self, shop: Shop) -> None:
        dataset = {"name": "d", "digest": "1", "source_type": "l", "source": "{}",
                   "profile": "x" * 100_000}  # fmt: skip
        shop.call("runs/log-inputs", run_id=shop.run(), datasets=[{"dataset": dataset}])

        [told] = shop.told("inputs")
        assert told["datasets"][0]["dataset"]["profile"] == ""
        assert len(shop.warnings) == 1
