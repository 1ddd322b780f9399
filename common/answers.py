"""The whole error policy on one screen: what each error is over HTTP, and to a broker."""

import logging
from dataclasses import dataclass
from typing import Any, cast

from common import envelope, errors, trace

Headers = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Answer:
    http: int
    code: str
    broker: int


# A broker delivers again after 404, 409, 429 and 5xx, and gives up after any other 4xx: so it
# hears 400 where a repetition is pointless and 503 where it is not, and nothing else.
TABLE: dict[type[errors.EventrainError], Answer] = {
    errors.Unreadable: Answer(400, "UNREADABLE", 400),
    errors.Poison: Answer(400, "POISON", 400),
    errors.Unauthenticated: Answer(401, "UNAUTHENTICATED", 400),
    errors.Forbidden: Answer(403, "FORBIDDEN", 400),
    errors.NotFound: Answer(404, "NOT_FOUND", 400),
    errors.MethodNotAllowed: Answer(405, "METHOD_NOT_ALLOWED", 400),
    errors.Conflict: Answer(409, "CONFLICT", 400),
    errors.StaleAttempt: Answer(409, "STALE_ATTEMPT", 400),
    errors.InUse: Answer(409, "IN_USE", 400),
    errors.IdempotencyMismatch: Answer(409, "IDEMPOTENCY_MISMATCH", 400),
    errors.TooLarge: Answer(413, "TOO_LARGE", 400),
    errors.Invalid: Answer(422, "INVALID", 400),
    errors.OverQuota: Answer(422, "OVER_QUOTA", 400),
    errors.TooMany: Answer(429, "TOO_MANY", 503),
    errors.Unavailable: Answer(503, "UNAVAILABLE", 503),
    errors.Later: Answer(503, "LATER", 503),
    errors.EventrainError: Answer(500, "INTERNAL", 503),
}

# Told by name, so that a function which never touches a client library need not import it.
TEMPORARY = frozenset(
    {
        ("builtins", "ConnectionError"),
        ("builtins", "TimeoutError"),
        ("socket", "gaierror"),
        ("asyncpg", "InterfaceError"),
        ("asyncpg", "InternalClientError"),
        ("asyncpg", "PostgresConnectionError"),
        ("sqlalchemy", "TimeoutError"),
        ("botocore", "HTTPClientError"),
        ("botocore", "ConnectionError"),
        ("httpx", "TransportError"),
        ("aiohttp", "ClientConnectionError"),
        ("urllib3", "HTTPError"),
    }
)
BROKEN_CALLS = frozenset({("asyncpg", "DataError"), ("asyncpg", "UnsupportedClientFeatureError")})
TEMPORARY_SQLSTATES = ("08", "53", "57P", "57014", "40", "55P03", "25006")
RETRY_AFTER = 2

_log = logging.getLogger(__name__)


def http_answer(exc: BaseException) -> tuple[int, Headers, bytes]:
    """The status, headers and body that tell a client of this error. What nobody expected is
    logged here, once, and reaches the client without its inner workings."""
    error = _meaning(exc)
    answer = answer_of(error)
    body = envelope.failure(error.message, {"code": answer.code, **error.details})
    headers = [(b"content-type", b"application/json"), *_extra_headers(error)]
    return answer.http, headers, body


def broker_answer(exc: BaseException) -> int:
    """400: never again; 503: once more, later."""
    return answer_of(_meaning(exc)).broker


def log(exc: BaseException) -> None:
    """The same for whoever has nobody to answer."""
    _meaning(exc)


def answer_of(error: errors.EventrainError) -> Answer:
    """The row of the table that is nearest to this error."""
    return next(TABLE[cls] for cls in type(error).__mro__ if cls in TABLE)


def is_temporary(exc: BaseException) -> bool:
    """Whether a store or a peer could not be reached or was busy, so that a repeat may work."""
    cause = getattr(exc, "orig", None) or exc
    names = {(cls.__module__.partition(".")[0], cls.__name__) for cls in type(cause).__mro__}
    if names & BROKEN_CALLS:
        return False
    return bool(names & TEMPORARY) or _status_is_temporary(cause)


def _status_is_temporary(exc: BaseException) -> bool:
    sqlstate = getattr(exc, "sqlstate", None)
    if isinstance(sqlstate, str):
        return sqlstate.startswith(TEMPORARY_SQLSTATES)
    response = getattr(exc, "response", None)
    if isinstance(response, dict):
        return _is_busy(cast("dict[str, Any]", response))
    return False


def _is_busy(botocore_response: dict[str, Any]) -> bool:
    status = botocore_response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return status == 429 or status >= 500


def _meaning(exc: BaseException) -> errors.EventrainError:
    if isinstance(exc, errors.EventrainError) and answer_of(exc).http != 500:
        return exc
    if is_temporary(exc):
        _log.warning("unavailable: %s", type(exc).__qualname__)
        return errors.Unavailable(retry_after=RETRY_AFTER)
    _log.error("unexpected: %s", type(exc).__qualname__, exc_info=exc)
    return errors.EventrainError(
        f"The server failed unexpectedly. Quote request {trace.request_id.get() or 'unknown'}."
    )


def _extra_headers(error: errors.EventrainError) -> Headers:
    match error:
        case errors.TooMany() | errors.Unavailable():
            return [(b"retry-after", str(error.retry_after).encode())]
        case errors.Unauthenticated():
            return [(b"www-authenticate", b"Bearer")]
        case errors.MethodNotAllowed():
            return [(b"allow", ", ".join(error.allowed).encode())]
        case _:
            return []
