import json
from collections.abc import Sequence
from typing import Any

from eventrain_trainer.relay.telling import MOST_METRICS, Op, Telling


class Heard:
    def __init__(self, waiting: int = 0) -> None:
        self.events: list[list[Op]] = []
        self.waiting = waiting
        self.telling = Telling(self._hear, lambda: self.waiting)

    def _hear(self, ops: Sequence[Op]) -> None:
        self.events.append(list(ops))

    @property
    def ops(self) -> list[Op]:
        self.telling.close()
        return [op for event in self.events for op in event]


class TestTelling:
    def test_waits_as_what_is_true_now(self) -> None:
        heard = Heard(waiting=9)
        heard.telling.say("run", "r", tags={})
        for number in range(1000):
            heard.telling.merge("tags", "r", {"progress": str(number)})
            heard.telling.say("status", "r", status="RUNNING" if number < 999 else "FINISHED")

        assert heard.ops == [
            {"op": "run", "run": "r", "tags": {}},
            {"op": "tags", "run": "r", "tags": {"progress": "999"}},
            {"op": "status", "run": "r", "status": "FINISHED"},
        ]

    def test_a_tag_taken_away_and_set_again_stays(self) -> None:
        heard = Heard(waiting=9)
        heard.telling.merge("tags", "r", {"a": "1", "b": "1"})
        heard.telling.untag("r", "a")
        heard.telling.untag("r", "b")
        heard.telling.merge("tags", "r", {"b": "2"})

        state = {"a": "1", "b": "1"}
        for op in heard.ops:
            if op["op"] == "tags":
                state |= op["tags"]
            else:
                state.pop(op["key"])
        assert state == {"b": "2"}

    def test_hands_on_no_event_that_is_too_large(self) -> None:
        heard = Heard(waiting=9)
        tags = {f"tag {n}": "x" * 8000 for n in range(300)}
        params = {f"param {n}": "y" * 6000 for n in range(300)}
        heard.telling.say("run", "r", tags=tags)
        heard.telling.merge("params", "r", params)
        heard.telling.say("model", "m", params=dict(params), tags=dict(tags))
        datasets = [{"dataset": {"profile": "z" * 60_000}} for _ in range(20)]
        heard.telling.extend("inputs", "r", datasets=datasets, models=[{"model_id": "m"}])

        ops = heard.ops
        assert all(len(json.dumps(event)) < 500_000 for event in heard.events)
        assert all(len(event) <= 100 for event in heard.events)
        assert _joined(ops, "run", "tags") == tags
        assert _joined(ops, "params", "params") == params
        assert (_joined(ops, "model", "tags"), _joined(ops, "model", "params")) == (tags, params)
        inputs = [op for op in ops if op["op"] == "inputs"]
        assert sum(len(op["datasets"]) for op in inputs) == 20
        assert sum(len(op["models"]) for op in inputs) == 1

    def test_of_metrics_the_oldest_go_and_state_never(self) -> None:
        heard = Heard(waiting=9)
        heard.telling.say("run", "r")
        for step in range(MOST_METRICS + 10):
            heard.telling.measure("r", "loss", 0.5, 1, step)

        ops = heard.ops
        assert ops[0]["op"] == "run"
        steps = [each[3] for op in ops[1:] for each in op["metrics"]]
        assert steps == list(range(10, MOST_METRICS + 10))

    def test_says_nothing_that_postgres_could_not_hold(self) -> None:
        heard = Heard()
        heard.telling.merge("tags", "r", {"a": "b\0c\ud800"})

        assert heard.ops[0]["tags"] == {"a": "b\ufffdc?"}


def _joined(ops: list[Op], op: str, noun: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for each in ops:
        if each["op"] == op:
            found |= each.get(noun, {})
    return found
