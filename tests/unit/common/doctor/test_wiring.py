"""What the cluster's Triggers say about who is told of what."""

from typing import Any

import msgspec
import pytest

from common.doctor.wiring import Trigger, examine
from eventing.catalogue import EventType

SUBMITTED = EventType.JOB_SUBMITTED
LISTENERS = {"launch-job": frozenset({SUBMITTED})}
READY = {"conditions": [{"type": "Ready", "status": "True"}]}


def trigger(
    *filters: dict[str, Any], to: str = "launch-job", status: dict[str, Any] = READY, **spec: Any
) -> Trigger:
    subscriber = {"ref": {"kind": "Service", "name": to}}
    written = {"subscriber": subscriber, "filters": list(filters), **spec}
    return msgspec.convert(
        {"metadata": {"name": f"to-{to}"}, "spec": written, "status": status}, Trigger
    )


class TestExamine:
    @pytest.mark.parametrize(
        "item",
        [
            {"exact": {"type": SUBMITTED}},
            {"prefix": {"type": "dev.eventrain."}},
            {"suffix": {"type": ".submitted.v1"}},
            {"any": [{"exact": {"type": "other"}}, {"exact": {"type": SUBMITTED}}]},
            {"all": [{"not": {"exact": {"type": "other"}}}, {"exact": {"type": SUBMITTED}}]},
        ],
    )
    def test_is_content_with_every_way_to_let_a_type_pass(self, item: dict[str, Any]) -> None:
        assert [each.wrong for each in examine([trigger(item)], LISTENERS)] == [None]

    @pytest.mark.parametrize("wanted", [{}, {"attributes": {"type": SUBMITTED}}])
    def test_reads_the_older_filter_where_there_is_no_other(self, wanted: dict[str, Any]) -> None:
        assert [each.wrong for each in examine([trigger(filter=wanted)], LISTENERS)] == [None]

    @pytest.mark.parametrize(
        "there",
        [
            [],
            [trigger(to="notify")],
            [trigger({"exact": {"type": "other"}})],
            [trigger({"all": [{"exact": {"type": SUBMITTED}}, {"exact": {"source": "/x"}}]})],
            [trigger({"cesql": "true"})],
        ],
    )
    def test_finds_a_function_that_is_not_told(self, there: list[Trigger]) -> None:
        (finding,) = examine(there, LISTENERS)
        assert finding.wrong == "launch-job has no Trigger for events that it waits for."
        assert "job.submitted" in finding.seen

    def test_finds_a_trigger_to_a_function_that_is_not_there(self) -> None:
        gone = 'services.serving.knative.dev "launch-job" not found'
        ready = {"type": "Ready", "status": "False", "message": gone}
        (finding,) = examine([trigger(status={"conditions": [ready]})], LISTENERS)
        assert finding.wrong == "The Trigger to launch-job does not deliver."
        assert gone in finding.seen

    def test_finds_a_trigger_that_nobody_has_taken_up(self) -> None:
        (finding,) = examine([trigger(status={})], LISTENERS)
        assert "has not taken it up" in finding.seen
