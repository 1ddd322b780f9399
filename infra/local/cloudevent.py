"""A CloudEvent as the broker carries it: attributes and bytes."""

import base64
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast
from urllib.parse import quote, unquote

REQUIRED = ("id", "source", "specversion", "type")
STRUCTURED = "application/cloudevents+json"
# Printable ASCII but space, quote and percent stays as it is in a header.
PLAIN = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"%')


class NotAnEvent(Exception):
    """These headers and this body are no CloudEvent."""


@dataclass(frozen=True)
class Event:
    attributes: Mapping[str, str]
    data: bytes = b""
    # Headers that travel beside the event: the trace and the request's id.
    context: tuple[tuple[str, str], ...] = ()

    def extended(self, extensions: Mapping[str, str]) -> "Event":
        return replace(self, attributes={**self.attributes, **extensions})

    def headers(self) -> dict[str, str]:
        """Binary mode."""
        named = {
            f"ce-{name}": quote(value, safe=PLAIN)
            for name, value in self.attributes.items()
            if name != "datacontenttype"
        }
        content = self.attributes.get("datacontenttype")
        return {**dict(self.context), **named, **({"content-type": content} if content else {})}


def read(headers: Mapping[str, str], body: bytes) -> Event:
    """Binary or structured mode; header names in lower case. Raises NotAnEvent."""
    content_type = headers.get("content-type", "")
    structured = content_type.partition(";")[0].strip().lower() == STRUCTURED
    event = _structured(body) if structured else _binary(headers, content_type, body)
    missing = [name for name in REQUIRED if not event.attributes.get(name)]
    if missing:
        raise NotAnEvent(f"the event lacks {', '.join(missing)}")
    if event.attributes["specversion"] != "1.0":
        raise NotAnEvent(f"specversion {event.attributes['specversion']} is not known")
    return replace(event, context=tuple(_context(headers.items())))


def _binary(headers: Mapping[str, str], content_type: str, body: bytes) -> Event:
    attributes = {
        name.removeprefix("ce-"): unquote(value)
        for name, value in headers.items()
        if name.startswith("ce-")
    }
    if content_type:
        attributes["datacontenttype"] = content_type
    return Event(attributes, body)


def _structured(body: bytes) -> Event:
    try:
        content = json.loads(body)
    except ValueError as problem:
        raise NotAnEvent("the body is not JSON") from problem
    if not isinstance(content, dict):
        raise NotAnEvent("the body is not an object")
    fields = cast(dict[str, Any], content)
    data = _data(fields)
    attributes = {name: _text(value) for name, value in fields.items() if value is not None}
    if data:
        attributes.setdefault("datacontenttype", "application/json")
    return Event(attributes, data)


def _data(fields: dict[str, Any]) -> bytes:
    encoded, data = fields.pop("data_base64", None), fields.pop("data", None)
    if encoded is not None:
        try:
            return base64.b64decode(encoded, validate=True)
        except (TypeError, ValueError) as problem:
            raise NotAnEvent("data_base64 is not base64") from problem
    if data is None:
        return b""
    plain = isinstance(data, str) and "json" not in fields.get("datacontenttype", "json")
    return str(data).encode() if plain else json.dumps(data).encode()


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int):
        return str(value)
    raise NotAnEvent("an attribute is neither text, number nor truth value")


def _context(headers: Iterable[tuple[str, str]]) -> Iterable[tuple[str, str]]:
    """What a broker passes on. Authorization is not among it."""
    for name, value in headers:
        if name in ("traceparent", "tracestate", "x-request-id") or name.startswith("knative-"):
            yield name, value
