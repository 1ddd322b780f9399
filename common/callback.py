"""What the callback functions share: who speaks, and what was said.

Job and attempt come from the token, whatever the body says. A body is plain JSON, or the data of a
CloudEvent in binary or structured mode.
"""

from datetime import datetime
from functools import cache
from typing import Any, TypeVar
from uuid import UUID

import msgspec

from common import trace
from common.asgi import Request
from common.errors import Invalid, Unauthenticated, Unreadable, Violation
from common.tokens.job_token import JobClaims, JobTokens

T = TypeVar("T")

STRUCTURED = "application/cloudevents+json"
NUL = b"\\u0000"
LARGEST_INTEGER = 2**63 - 1
# In bytes: an entry of an index has no room for three times as many.
LONGEST_KEY = 1024


class Envelope(msgspec.Struct):
    """A CloudEvent in structured mode, as far as it matters here."""

    specversion: str
    id: str
    source: str
    type: str
    data: msgspec.Raw


class Content(msgspec.Struct, frozen=True):
    """A body, and the key of the CloudEvent that it came in, if it did."""

    body: bytes | msgspec.Raw
    event_key: str | None


def authenticate(request: Request, tokens: JobTokens, now: datetime) -> tuple[UUID, JobClaims]:
    """The job and the claims of whoever speaks for it. Raises Unauthenticated."""
    claims = tokens.verify(request.bearer(), now)
    if claims.job_id != request.param.lower():
        raise Unauthenticated("The job token is for another job.")
    trace.job_id.set(claims.job_id)
    return claims.job, claims


async def read(request: Request) -> Content:
    """The body and its event key. Raises Unreadable, TooLarge."""
    body = await request.body()
    kind = request.header(b"content-type") or ""
    if kind.startswith(STRUCTURED):
        event = decode(body, Envelope)
        return Content(event.data, _key(event.source, event.id))
    event_id, source = request.header(b"ce-id"), request.header(b"ce-source")
    return Content(body, _key(source, event_id) if event_id and source else None)


def decode(body: bytes | msgspec.Raw, kind: type[T]) -> T:
    """The body as that type. Raises Unreadable for what is not JSON, Invalid for another shape."""
    if NUL in bytes(body):
        raise Invalid([Violation("", "must not hold the character NUL")])
    try:
        return _decoder(kind).decode(body)
    except msgspec.ValidationError as wrong:
        raise Invalid([violation(str(wrong))]) from None
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise Unreadable("The body is not JSON.") from None


def schema_of(*kinds: Any) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The JSON schemas of body types, for a function's description of itself."""
    schemas, components = msgspec.json.schema_components(
        kinds, ref_template="#/components/schemas/{name}"
    )
    return list(schemas), components


@cache
def _decoder(kind: type[T]) -> msgspec.json.Decoder[T]:
    return msgspec.json.Decoder(kind)


def _key(source: str, event_id: str) -> str:
    if len(source.encode()) + len(event_id.encode()) > LONGEST_KEY:
        raise Unreadable("The CloudEvent's id is too long.")
    return f"{source}|{event_id}"


def violation(message: str) -> Violation:
    """What msgspec found wrong, by field."""
    reason, _, path = message.partition(" - at `$")
    field = path.rstrip("`").strip(".").replace("[...]", "")
    missing = reason.partition("required field `")[2].rstrip("`")
    return Violation(".".join(part for part in (field, missing) if part), reason[:200])
