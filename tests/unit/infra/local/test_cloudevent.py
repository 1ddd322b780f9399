import json

import pytest

from infra.local import cloudevent
from infra.local.cloudevent import NotAnEvent

BINARY = {
    "ce-id": "1",
    "ce-source": "/submit-job",
    "ce-specversion": "1.0",
    "ce-type": "job.submitted",
    "content-type": "application/json",
}
STRUCTURED = {"content-type": "application/cloudevents+json; charset=utf-8"}


class TestRead:
    def test_binary_and_structured_mode_mean_the_same(self) -> None:
        fields = {"id": "1", "source": "/submit-job", "specversion": "1.0", "type": "job.submitted"}
        body = json.dumps({**fields, "data": {"a": 1}}).encode()
        structured = cloudevent.read(STRUCTURED, body)
        assert structured == cloudevent.read(BINARY, b'{"a": 1}')

    def test_an_event_survives_the_way_through_headers(self) -> None:
        sent = cloudevent.read(
            {**BINARY, "ce-subject": 'a "b" 100 % ü'.replace("ü", "%C3%BC")}, b""
        )
        assert cloudevent.read(sent.headers(), sent.data) == sent
        assert sent.headers()["ce-subject"].isascii()

    def test_the_trace_travels_and_the_authorization_does_not(self) -> None:
        sent = {**BINARY, "traceparent": "00-1", "authorization": "Bearer x", "x-other": "y"}
        headers = cloudevent.read(sent, b"").headers()
        assert headers["traceparent"] == "00-1"
        assert not {"authorization", "x-other"} & set(headers)

    def test_numbers_and_truth_values_become_text(self) -> None:
        body = {
            "id": "1",
            "source": "s",
            "specversion": "1.0",
            "type": "t",
            "sequence": 7,
            "x": True,
        }
        read = cloudevent.read(STRUCTURED, json.dumps(body).encode())
        assert read.attributes["sequence"] == "7"
        assert read.attributes["x"] == "true"

    @pytest.mark.parametrize(
        ("headers", "body"),
        [
            ({}, b""),
            ({**BINARY, "ce-id": ""}, b""),
            ({**BINARY, "ce-specversion": "0.3"}, b""),
            (STRUCTURED, b"{"),
            (STRUCTURED, b"[]"),
            (STRUCTURED, b'{"id": {}}'),
            (STRUCTURED, b'{"data_base64": 7}'),
        ],
    )
    def test_what_is_no_event_is_refused(self, headers: dict[str, str], body: bytes) -> None:
        with pytest.raises(NotAnEvent):
            cloudevent.read(headers, body)
