from typing import Any

import pytest

from infra.local import trigger
from infra.local.problem import ManifestProblem

BROKER = {"eventrain": {"metadata": {"name": "eventrain"}, "spec": {}}}
SERVICE = {"ref": {"kind": "Service", "name": "consumer"}}


def read(**spec: Any) -> trigger.Trigger:
    whole = {"broker": "eventrain", "subscriber": SERVICE, **spec}
    return trigger.read({"metadata": {"name": "wake"}, "spec": whole}, BROKER)


class TestFilters:
    @pytest.mark.parametrize(
        ("filters", "wanted"),
        [
            ([{"exact": {"type": "job.submitted"}}], True),
            ([{"exact": {"type": "job"}}], False),
            ([{"prefix": {"type": "job."}}], True),
            ([{"suffix": {"type": ".submitted"}}], True),
            ([{"suffix": {"type": ".failed"}}], False),
            ([{"not": {"exact": {"type": "job.submitted"}}}], False),
            ([{"any": [{"exact": {"type": "x"}}, {"prefix": {"source": "/sub"}}]}], True),
            ([{"all": [{"exact": {"type": "x"}}, {"prefix": {"source": "/sub"}}]}], False),
            ([{"exact": {"type": "job.submitted", "source": "/other"}}], False),
            ([{"prefix": {"type": "job."}}, {"exact": {"source": "/other"}}], False),
            ([{"exact": {"attempt": "1"}}], False),
            ([], True),
        ],
    )
    def test_an_event_passes_when_every_filter_agrees(self, filters: Any, wanted: bool) -> None:
        event = {"type": "job.submitted", "source": "/submit-job"}
        assert read(filters=filters).wants(event) is wanted

    def test_attributes_of_the_older_filter_are_exact_and_empty_means_any(self) -> None:
        found = read(filter={"attributes": {"type": "job.submitted", "source": ""}})
        assert found.wants({"type": "job.submitted", "source": "/x"})
        assert not found.wants({"type": "job.failed", "source": "/x"})

    @pytest.mark.parametrize(
        "filters",
        [[{"cesql": "type = 'x'"}], [{"exact": {"type": "x"}, "prefix": {"type": "y"}}]],
    )
    def test_a_dialect_that_is_not_known_or_not_alone_is_refused(self, filters: Any) -> None:
        with pytest.raises(ManifestProblem, match="Trigger wake"):
            read(filters=filters)

    def test_a_broker_that_is_not_there_is_refused(self) -> None:
        with pytest.raises(ManifestProblem, match="the broker other"):
            read(broker="other")


class TestDelivery:
    def test_exponential_pauses_double_and_linear_ones_grow(self) -> None:
        exponential = read(delivery={"retry": 3, "backoffDelay": "PT0.5S"}).delivery
        linear = read(delivery={"backoffPolicy": "linear", "backoffDelay": "PT1S"}).delivery
        assert [exponential.pause(tries) for tries in (1, 2, 3)] == [0.5, 1.0, 2.0]
        assert [linear.pause(tries) for tries in (1, 2, 3)] == [1.0, 2.0, 3.0]

    def test_durations_are_read_as_iso_8601(self) -> None:
        assert trigger.seconds("PT0.5S") == 0.5
        assert trigger.seconds("P1DT2H3M4S") == 93784
        for wrong in ("5s", "PT", "P1Y"):
            with pytest.raises(ManifestProblem, match="no ISO 8601 duration"):
                trigger.seconds(wrong)

    def test_what_a_trigger_does_not_say_the_broker_says(self) -> None:
        broker = {"eventrain": {"spec": {"delivery": {"retry": 7}}}}
        spec = {"broker": "eventrain", "subscriber": SERVICE}
        found = trigger.read({"metadata": {"name": "wake"}, "spec": spec}, broker)
        assert found.delivery.retry == 7
