"""Request bodies: bounded, JSON in the strict sense, and only values that a database can hold."""

import json
import math
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Annotated, Any, NoReturn, cast
from uuid import UUID

from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from common.errors import Invalid, NotFound, TooLarge, Unreadable, Violation

BODY_LIMIT = 1 << 20
DEEPEST = 32
GREATEST = 2**63 - 1
UNSTORABLE = "holds characters that text cannot have (NUL or half of a surrogate pair)"

Id = Annotated[UUID, Field(strict=False)]


def _spelled(value: object) -> object:
    """Pydantic would take a number for the seconds since 1970."""
    if isinstance(value, datetime) or (isinstance(value, str) and "T" in value.upper()):
        return value
    raise PydanticCustomError("moment", "must be a time as RFC 3339 spells it")


Moment = Annotated[datetime, Field(strict=False), BeforeValidator(_spelled)]


def _storable(text: str) -> str:
    if not is_text(text):
        raise PydanticCustomError("unstorable", UNSTORABLE)
    return text


# For form fields; JSON bodies and query strings are checked as a whole.
Text = Annotated[str, AfterValidator(_storable)]


class SnakeBody(BaseModel):
    """A body whose fields are spelled in snake_case. Types are exact: "1" is not a number.
    Unknown fields are ignored, so that older and newer clients both work."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


class Body(SnakeBody):
    """A body whose fields are spelled in camelCase."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class BoundedRequest(Request):
    """A request that refuses more bytes than its limit and values that cannot be stored."""

    limit: int = BODY_LIMIT

    async def stream(self) -> AsyncGenerator[bytes, None]:
        announced = self.headers.get("content-length", "")
        if announced.isascii() and announced.isdigit() and int(announced) > self.limit:
            raise self._too_large()
        taken = 0
        async for chunk in super().stream():
            taken += len(chunk)
            if taken > self.limit:
                raise self._too_large()
            yield chunk

    async def json(self) -> Any:
        value = parse_json(await self.body())
        violations = tuple(unstorable(value))
        if violations:
            raise Invalid(violations)
        return value

    def _too_large(self) -> TooLarge:
        return TooLarge(f"The request body is larger than {self.limit} bytes.")


Enter = Callable[[APIRoute, Request], AbstractAsyncContextManager[None]]


def route_with(limit: int, enter: Enter) -> type[APIRoute]:
    """A kind of route that reads no more than so many bytes, and none of whoever is not let in."""

    class Bounded(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            handle = super().get_route_handler()

            async def checked(request: Request) -> Response:
                async with enter(self, request):
                    _check_address(request)
                    bounded = BoundedRequest(request.scope, request.receive)
                    bounded.limit = limit
                    return await handle(bounded)

            return checked

    return Bounded


def parse_json(body: bytes) -> Any:
    """The value, by the letter of RFC 8259. Raises Unreadable."""
    try:
        return json.loads(body.decode("utf-8"), parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise Unreadable("The request body is not JSON in UTF-8.") from None


def unstorable(value: Any) -> Iterator[Violation]:
    """What in a JSON value the database could not hold, each by its dotted path."""
    waiting: list[tuple[str, int, Any]] = [("", 0, value)]
    while waiting:
        path, depth, item = waiting.pop()
        reason = _reason(item, depth)
        if reason:
            yield Violation(path or "body", reason)
        elif isinstance(item, dict | list):
            waiting += [(_join(path, k), depth + 1, v) for k, v in _entries(cast("Any", item))]


def is_text(value: str) -> bool:
    """Whether a database can hold this string."""
    return "\0" not in value and not any("\ud800" <= c <= "\udfff" for c in value)


def _reason(item: Any, depth: int) -> str | None:
    if depth > DEEPEST:
        return f"is nested more than {DEEPEST} levels deep"
    match item:
        case str():
            return None if _fast_is_text(item) else UNSTORABLE
        case int():
            return None if -GREATEST <= item <= GREATEST else "does not fit into 64 bits"
        case float():
            return None if math.isfinite(item) else "does not fit into 64 bits"
        case dict():
            keys = cast("dict[str, Any]", item)
            return None if all(map(_fast_is_text, keys)) else f"has a name that {UNSTORABLE}"
        case _:
            return None


def _fast_is_text(value: str) -> bool:
    return "\0" not in value and (value.isascii() or is_text(value))


def _entries(item: dict[str, Any] | list[Any]) -> Iterator[tuple[str, Any]]:
    if isinstance(item, dict):
        return iter(item.items())
    return ((str(index), entry) for index, entry in enumerate(item))


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _check_address(request: Request) -> None:
    if any("\0" in str(value) for value in request.path_params.values()):
        raise NotFound
    broken = [name for name, value in request.query_params.multi_items() if "\0" in name + value]
    if broken:
        raise Invalid([Violation(name.replace("\0", "?"), UNSTORABLE) for name in broken])


def _refuse(literal: str) -> NoReturn:
    raise ValueError(literal)
