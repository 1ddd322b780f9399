import json

from eventrain_trainer.courier import Event
from eventrain_trainer.result import RESULT_LIMIT, compose_result


class TestComposeResult:
    def test_keeps_everything_that_fits(self) -> None:
        body = json.loads(compose_result({"outcome": "failed"}, [{"sequence": 1}], []))

        assert body == {
            "done": {"outcome": "failed"},
            "heartbeats": [{"sequence": 1}],
            "events": [],
        }

    def test_lets_telemetry_go_oldest_first_and_state_never(self) -> None:
        payload = {"lines": "x" * 20_000}
        events = [
            Event(str(n), "log" if n % 2 else "mlflow", payload, "", kept=not n % 2)
            for n in range(300)
        ]
        beats = [{"sequence": n, "points": "y" * 1000} for n in range(1000)]
        raw = compose_result({"outcome": "succeeded"}, beats, events)
        body = json.loads(raw)

        assert len(raw) <= RESULT_LIMIT
        kept = [event["id"] for event in body["events"] if event["type"] == "mlflow"]
        assert kept == [str(n) for n in range(0, 300, 2)]
        logs = [event["id"] for event in body["events"] if event["type"] == "log"]
        assert logs == [str(n) for n in range(1, 300, 2)][len(logs) * -1 or 300 :]
        assert body["heartbeats"] == beats[len(beats) - len(body["heartbeats"]) :]
