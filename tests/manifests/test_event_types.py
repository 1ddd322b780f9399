"""The registry: EventType, catalogue, schema and Trigger pair in both directions."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from common.events import to_http
from common.jobs.outbox import to_event
from eventing.catalogue import CATALOGUE, Definition, EventType, schema
from tests.manifests.objects import Manifest, at, label, name_of, of_kind

REGISTRY = of_kind("EventType", "eventing.knative.dev")
TRIGGERS = of_kind("Trigger", "eventing.knative.dev")
PING = "dev.knative.sources.ping"
OF_NO_JOB = {
    EventType.SYNC_REQUESTED,
    EventType.DELIVERY_REQUESTED,
    EventType.MIRROR_REQUESTED,
}
ROW = {
    "id": UUID(int=1),
    "source": "done",
    "type": EventType.JOB_SUCCEEDED,
    "job_id": UUID(int=2),
    "at": datetime(2026, 1, 2, tzinfo=UTC),
    "data": {},
    "sequence": 3,
    "traceparent": f"00-{1:032x}-{2:016x}-01",
}


def attributes(manifest: Manifest) -> dict[str, str | None]:
    return {a["name"]: a.get("value") for a in manifest["spec"]["attributes"]}


def required(manifest: Manifest) -> set[str]:
    return {a["name"] for a in manifest["spec"]["attributes"] if a["required"]}


def type_of(manifest: Manifest) -> str:
    return str(attributes(manifest)["type"])


def test_every_type_of_the_catalogue_is_registered_once_and_no_other() -> None:
    assert sorted(map(type_of, REGISTRY)) == sorted(CATALOGUE)


def test_every_type_that_somebody_listens_to_is_registered() -> None:
    filters = [trigger["spec"]["filters"] for trigger in TRIGGERS]
    exact = [e for path in ("exact", "any/exact", "any/all/exact") for e in at(filters, path)]
    heard = {value for e in exact for value in e.values()} - {PING}
    assert heard
    assert heard <= set(map(type_of, REGISTRY))


@pytest.mark.parametrize("manifest", REGISTRY, ids=label)
class TestEventType:
    def definition(self, manifest: Manifest) -> Definition:
        return CATALOGUE[EventType(type_of(manifest))]

    def test_has_the_name_of_its_type(self, manifest: Manifest) -> None:
        name = type_of(manifest).removeprefix("dev.eventrain.")
        assert name_of(manifest) == name.replace(".", "-").replace("_", "-")

    def test_is_described_by_its_schema(self, manifest: Manifest) -> None:
        assert manifest["spec"]["description"] == schema(self.definition(manifest).type)["title"]

    def test_belongs_to_the_broker(self, manifest: Manifest) -> None:
        (broker,) = of_kind("Broker", "eventing.knative.dev")
        reference = manifest["spec"]["reference"]
        assert (reference["kind"], reference["name"]) == ("Broker", name_of(broker))

    def test_names_a_source_where_there_is_one(self, manifest: Manifest) -> None:
        sources = self.definition(manifest).sources
        clock = type_of(manifest) == EventType.SYNC_REQUESTED
        assert attributes(manifest)["source"] == (
            next(iter(sources)) if len(sources) == 1 and not clock else None
        )

    def test_demands_nothing_that_is_not_sent(self, manifest: Manifest) -> None:
        if type_of(manifest) in OF_NO_JOB:
            return
        headers, _ = to_http(to_event(ROW | {"type": type_of(manifest)}))
        sent = {
            name.removeprefix("ce-").replace("content-type", "datacontenttype") for name in headers
        }
        assert required(manifest) <= sent <= set(attributes(manifest))
