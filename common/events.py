"""A CloudEvent: read from a request, written to one, published to the broker."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote, unquote, urlsplit

import msgspec

from common.errors import Poison

if TYPE_CHECKING:
    from common.pipe import Pipes

PUBLISH_TIMEOUT = 2.0
LONGEST_ATTRIBUTE = 2048
JSON = "application/json"
STRUCTURED = "application/cloudevents+json"

_log = logging.getLogger(__name__)


def _no_extensions() -> dict[str, str]:
    return {}


@dataclass(frozen=True, slots=True)
class Event:
    """A CloudEvent 1.0 whose data is JSON, or bytes where it is of another kind."""

    id: str
    source: str
    type: str
    subject: str | None = None
    time: datetime | None = None
    data: Any = None
    extensions: Mapping[str, str] = field(default_factory=_no_extensions)
    content_type: str = JSON


def parse(headers: Mapping[str, str], body: bytes) -> Event:
    """The event in a request, in binary or structured mode; header names in lower case.
    Raises Poison."""
    if _is_structured(headers):
        return _event(_object(_json(body)))
    return _event({**_headed(headers), "data": _json(body) if body else None})


def salvage(headers: Mapping[str, str], body: bytes) -> Event:
    """The same for who only keeps the event: what is wrong with it is kept too, attributes as
    text among the extensions and data as bytes. Raises Poison for what is no event at all."""
    try:
        return parse(headers, body)
    except Poison:
        return _as_it_came(headers, body)


def is_event(headers: Mapping[str, str]) -> bool:
    """Whether the request claims to carry a CloudEvent."""
    return "ce-id" in headers or headers.get("content-type", "").startswith(
        "application/cloudevents"
    )


def to_http(event: Event) -> tuple[dict[str, str], bytes]:
    """Headers and body of the event in binary mode."""
    attributes: dict[str, str | None] = {
        "specversion": "1.0",
        "id": event.id,
        "source": event.source,
        "type": event.type,
        "subject": event.subject,
        "time": event.time.isoformat() if event.time else None,
        **event.extensions,
    }
    headers = {f"ce-{name}": _quoted(value) for name, value in attributes.items() if value}
    body = event.data if isinstance(event.data, bytes) else msgspec.json.encode(event.data)
    return {**headers, "content-type": event.content_type}, body


class Publisher:
    """Tells the broker. It never raises and never waits long: whatever is not known to be
    accepted is sent again, with the same id, by whoever keeps the outbox. A token in a file is
    read for each event, for the kubelet renews it."""

    def __init__(
        self, broker_url: str, timeout: float = PUBLISH_TIMEOUT, token_file: Path | None = None
    ) -> None:
        self._broker_url = broker_url
        self._timeout = timeout
        self._token_file = token_file
        self._pipes: Pipes | None = None

    async def publish(self, event: Event) -> bool:
        """Whether the broker said that it has the event."""
        try:
            headers, body = to_http(event)
            pipes = self._open()
            answer = await pipes.ask(self._question(headers, body), self._timeout)
        except Exception as wrong:  # noqa: BLE001 - never raises
            _log.warning("%s %s not published: %r", event.type, event.id, wrong)
            return False
        if not answer.is_success:
            _log.warning("%s %s not published: %s", event.type, event.id, answer.status)
        return answer.is_success

    async def close(self) -> None:
        if self._pipes is not None:
            self._pipes.close()

    def _question(self, headers: Mapping[str, str], body: bytes) -> bytes:
        from common.pipe import question

        broker = urlsplit(self._broker_url)
        target = (broker.path or "/") + (f"?{broker.query}" if broker.query else "")
        told = {"host": broker.netloc.rpartition("@")[2], "content-length": str(len(body))}
        told |= {**headers, **self._authority()}
        lines = [(name.encode(), value.encode()) for name, value in told.items()]
        return question("POST", target.encode(), lines, body)

    def _authority(self) -> dict[str, str]:
        if self._token_file is None:
            return {}
        return {"authorization": f"Bearer {self._token_file.read_text(encoding='utf-8').strip()}"}

    def _open(self) -> "Pipes":
        if self._pipes is None:
            from common.pipe import Pipes

            broker = urlsplit(self._broker_url)
            secure = broker.scheme == "https"
            port = broker.port or (443 if secure else 80)
            self._pipes = Pipes(broker.hostname or "", port, secure)
        return self._pipes


def _is_structured(headers: Mapping[str, str]) -> bool:
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind == STRUCTURED


def _headed(headers: Mapping[str, str]) -> dict[str, Any]:
    if "ce-id" not in headers and "ce-type" not in headers:
        raise Poison("The request carries no CloudEvent.")
    return {name[3:]: unquote(value) for name, value in headers.items() if name.startswith("ce-")}


def _as_it_came(headers: Mapping[str, str], body: bytes) -> Event:
    if _is_structured(headers):
        attributes = _object(_json(body))
        data = msgspec.json.encode(attributes.pop("data", None))
        content_type = str(attributes.pop("datacontenttype", JSON))
    else:
        attributes, data = _headed(headers), body
        content_type = headers.get("content-type") or "application/octet-stream"
    named = {name: str(value) for name, value in attributes.items() if value is not None}
    if not all(map(named.get, ("id", "source", "type"))):
        raise Poison("The event has no id, no source or no type.")
    known = named.pop("id"), named.pop("source"), named.pop("type")
    return Event(*known, data=data, extensions=named, content_type=content_type)


def _event(attributes: dict[str, Any]) -> Event:
    if attributes.get("specversion") != "1.0":
        raise Poison("The event is not of CloudEvents 1.0.")
    known = {"specversion", "id", "source", "type", "subject", "time", "data", "datacontenttype"}
    return Event(
        id=_required(attributes, "id"),
        source=_required(attributes, "source"),
        type=_required(attributes, "type"),
        subject=_optional(attributes, "subject"),
        time=_time(_optional(attributes, "time")),
        data=attributes.get("data"),
        extensions={k: str(v) for k, v in attributes.items() if k not in known},
    )


def _required(attributes: dict[str, Any], name: str) -> str:
    value = _optional(attributes, name)
    if not value:
        raise Poison(f"The event has no {name}.")
    return value


def _optional(attributes: dict[str, Any], name: str) -> str | None:
    value = attributes.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or len(value) > LONGEST_ATTRIBUTE or "\0" in value:
        raise Poison(f"The event's {name} is not usable.")
    return value


def _time(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise Poison("The event's time is not RFC 3339.") from None
    if time.tzinfo is None:
        raise Poison("The event's time has no zone.")
    return time


def _json(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise Poison("The event's data is not JSON.") from None


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Poison("The event is not a JSON object.")
    return cast("dict[str, Any]", value)


def _quoted(value: str) -> str:
    return quote(value, safe=" !#$&'()*+,/:;<=>?@[]^_`{|}~-.")
