"""What the schemas of Broker, Trigger and PingSource do not say."""

import json
import re
from typing import Any

import jsonschema
import pytest

from eventing.catalogue import CATALOGUE, LISTENERS, SCHEMAS, EventType, schema
from tests.manifests.objects import BASE, Manifest, at, label, name_of, of_kind, services

EVENTING = "eventing.knative.dev"
TRIGGERS = of_kind("Trigger", EVENTING)
DELIVERIES = [*TRIGGERS, *of_kind("Broker", EVENTING)]
DIALECTS = {"exact", "prefix", "suffix", "all", "any", "not", "cesql"}
JOB = {
    "jobId": "5e0c9b2a-1f0e-4a6e-9a53-0c1b8f1d2e3f",
    "projectId": "0b7b9a52-95a8-4c0e-8f0a-58a0b3c6d7e8",
    "attempt": 1,
    "at": "2026-01-02T03:04:05Z",
}


def dialects(filters: list[dict[str, Any]]) -> list[set[str]]:
    """The keys of each filter element, those within `all`, `any` and `not` included."""
    found: list[set[str]] = []
    for element in filters:
        found.append(set(element))
        inner = [*element.get("all", []), *element.get("any", [])]
        found += dialects([*inner, element["not"]] if "not" in element else inner)
    return found


def types_of(filters: list[dict[str, Any]]) -> set[str]:
    exact = [*at(filters, "exact"), *at(filters, "any/exact"), *at(filters, "any/all/exact")]
    return {e["type"] for e in exact if "type" in e} | {
        e["eventtype"] for e in exact if "eventtype" in e
    }


def seconds(duration: str) -> float:
    """Of the ISO 8601 durations, those that are written here."""
    match = re.fullmatch(r"PT(\d+(?:\.\d+)?)S", duration)
    assert match, duration
    return float(match[1])


def accepts(filters: list[dict[str, Any]], attributes: dict[str, str]) -> bool:
    return all(_holds(element, attributes) for element in filters)


def _holds(element: dict[str, Any], attributes: dict[str, str]) -> bool:
    if "any" in element:
        return any(_holds(inner, attributes) for inner in element["any"])
    if "all" in element:
        return all(_holds(inner, attributes) for inner in element["all"])
    return all(attributes.get(name) == value for name, value in element["exact"].items())


@pytest.mark.parametrize("trigger", TRIGGERS, ids=label)
class TestTrigger:
    def test_has_one_dialect_in_each_element_of_its_filter(self, trigger: Manifest) -> None:
        for keys in dialects(trigger["spec"]["filters"]):
            assert len(keys) == 1
            assert keys <= DIALECTS

    def test_filters_on_types_of_the_catalogue(self, trigger: Manifest) -> None:
        ours = types_of(trigger["spec"]["filters"]) - {"dev.knative.sources.ping"}
        assert ours
        assert ours <= set(EventType)

    def test_brings_what_the_catalogue_says_that_its_subscriber_awaits(
        self, trigger: Manifest
    ) -> None:
        ours = types_of(trigger["spec"]["filters"]) - {"dev.knative.sources.ping"}
        assert set(LISTENERS[name_of(trigger)]) == ours

    def test_has_the_name_of_its_subscriber(self, trigger: Manifest) -> None:
        assert trigger["spec"]["subscriber"]["ref"]["name"] == name_of(trigger)

    def test_gives_up_before_its_subscriber_is_cut_off(self, trigger: Manifest) -> None:
        (service,) = (s for s in services() if name_of(s) == name_of(trigger))
        timeout = service["spec"]["template"]["spec"]["timeoutSeconds"]
        assert seconds(trigger["spec"]["delivery"]["timeout"]) <= timeout


@pytest.mark.parametrize("manifest", DELIVERIES, ids=label)
def test_delivery_is_retried_shortly_and_then_kept(manifest: Manifest) -> None:
    delivery = manifest["spec"]["delivery"]
    assert delivery["backoffPolicy"] in {"linear", "exponential"}
    assert 0 < seconds(delivery["timeout"]) <= 600
    waits = [seconds(delivery["backoffDelay"]) * 2**n for n in range(delivery["retry"])]
    assert 0 < sum(waits) < 10
    assert delivery["deadLetterSink"]["ref"]["name"] == "dead-letter"


class TestClock:
    def clock(self) -> Manifest:
        (source,) = of_kind("PingSource", "sources.knative.dev")
        return source

    def test_sends_a_json_object(self) -> None:
        data = self.clock()["spec"]["data"]
        assert isinstance(data, str)
        assert json.loads(data) == {}

    def test_has_attributes_with_names_that_cloudevents_allows(self) -> None:
        extensions = self.clock()["spec"]["ceOverrides"]["extensions"]
        assert all(re.fullmatch("[a-z0-9]{1,20}", name) for name in extensions)

    def test_ticks_as_often_as_the_lease_allows(self) -> None:
        seconds_field, *rest = self.clock()["spec"]["schedule"].split()
        (line,) = re.findall(
            r"^TRAINING_JOB_STATUS_SYNC_INTERVAL=(\d+)$",
            (BASE / "eventrain.env").read_text(encoding="utf-8"),
            re.MULTILINE,
        )
        assert (seconds_field, rest) == (f"*/{line}", ["*"] * 5)

    def test_wakes_status_sync_and_nobody_else(self) -> None:
        tick = {
            "type": "dev.knative.sources.ping",
            **self.clock()["spec"]["ceOverrides"]["extensions"],
        }
        woken = [name_of(t) for t in TRIGGERS if accepts(t["spec"]["filters"], tick)]
        assert woken == ["status-sync"]

    def test_of_another_kind_wakes_nobody(self) -> None:
        tick = {"type": "dev.knative.sources.ping"}
        assert not any(accepts(t["spec"]["filters"], tick) for t in TRIGGERS)


@pytest.mark.parametrize(
    ("type_", "consumers"),
    [
        (EventType.JOB_SUBMITTED, ["launch-job", "notify"]),
        (EventType.JOB_RETRY_SCHEDULED, ["launch-job", "mirror-run", "notify"]),
        (EventType.JOB_SUCCEEDED, ["mirror-run", "notify", "register-model"]),
        (EventType.SYNC_REQUESTED, ["status-sync"]),
        (EventType.JOB_FAILED, ["mirror-run", "notify"]),
        (EventType.MODEL_REGISTERED, ["notify", "register-model"]),
        (EventType.DELIVERY_REQUESTED, ["notify"]),
        (EventType.MIRROR_REQUESTED, ["mirror-run"]),
    ],
)
def test_an_event_reaches_its_consumers(type_: EventType, consumers: list[str]) -> None:
    woken = [name_of(t) for t in TRIGGERS if accepts(t["spec"]["filters"], {"type": type_})]
    assert sorted(woken) == consumers


class TestCatalogue:
    def test_has_a_row_for_every_type(self) -> None:
        assert set(CATALOGUE) == set(EventType)

    def test_has_a_schema_for_every_type_and_no_other(self) -> None:
        expected = {row.schema_file for row in CATALOGUE.values()} | {"job.json"}
        assert {path.name for path in SCHEMAS.iterdir()} == expected

    @pytest.mark.parametrize("type_", EventType)
    def test_schemas_are_complete_and_leave_room_for_new_fields(self, type_: EventType) -> None:
        document = schema(type_)
        jsonschema.Draft202012Validator.check_schema(document)
        assert document["$schema"].endswith("/2020-12/schema")
        assert "additionalProperties" not in json.dumps(document)

    def test_a_schema_demands_what_is_common_to_all_jobs(self) -> None:
        validator = jsonschema.Draft202012Validator(schema(EventType.JOB_QUEUED))
        assert validator.is_valid({**JOB, "status": "queued", "added": "later"})
        assert not validator.is_valid({**JOB, "status": "running"})
        assert not validator.is_valid({**JOB, "status": "queued", "attempt": 0})
        assert not validator.is_valid({"status": "queued"})
