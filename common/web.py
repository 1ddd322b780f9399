"""The FastAPI kit of the functions that are not hot: everything in the envelope."""

import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Annotated, Any, Generic, Literal, TypeVar

from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.routing import Match

from common import answers, consumer, entrance, envelope, errors, events, openapi
from common.access.gate import Gate
from common.body import BODY_LIMIT, Body, Id, Moment, SnakeBody, Text, route_with
from common.boundary import Boundary
from common.tokens.user_token import User

__all__ = [
    "Bearer", "Body", "Caller", "Deps", "Entrance", "Id", "Moment", "SnakeBody", "Success", "Text",
    "build_app", "ok", "router",
]  # fmt: skip

T = TypeVar("T")
Lifespan = Callable[[], AbstractAsyncContextManager[Any]]
Ready = Callable[[Any], Awaitable[bool]]
OpenGate = Callable[[], AbstractAsyncContextManager[Any]]

# FastAPI asks of each type in a route whether it is one of pydantic's old models, and imports all of
# them for that, at every cold start. Here is none: where they cannot be imported, it takes that word.
sys.modules.setdefault("pydantic.v1", None)  # pyright: ignore[reportArgumentType]

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


class Success(BaseModel, Generic[T]):
    """The envelope of what worked; for a route's `response_model`."""

    status: Literal["success"]
    message: str
    data: T


def build_app(
    *,
    title: str,
    lifespan: Lifespan,
    ready: Ready,
    routers: Sequence[APIRouter] = (),
    gate: OpenGate | None = None,
    consumes: consumer.Handle | None = None,
    reads: consumer.Read = events.parse,
) -> FastAPI:
    """The application of one function. What the lifespan yields reaches the routes as `Deps`,
    the event handler as its second argument, and `ready`. Without a gate no route may ask who
    calls."""
    app = FastAPI(
        title=title,
        version="1",
        lifespan=_keep(lifespan, gate or nullcontext),
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        strict_content_type=False,
        responses={**openapi.failures()},
    )
    app.include_router(_health(ready))
    for each in routers:
        app.include_router(each)
    if consumes:
        receive = consumer.endpoint(consumes, reads)
        app.add_route("/", receive, methods=["POST"], include_in_schema=False)
    app.add_exception_handler(errors.EventrainError, _answer)
    app.add_exception_handler(HTTPException, _answer_framework)
    app.add_exception_handler(RequestValidationError, _answer_invalid)
    app.add_middleware(Boundary)
    return app


def router(*, prefix: str = "", body_limit: int = BODY_LIMIT) -> APIRouter:
    """A router whose routes read no more than so many bytes."""
    return APIRouter(prefix=prefix, route_class=route_with(body_limit, entrance.enter))


def ok(data: object, message: str = "OK") -> Response:
    """200, with the data in the envelope."""
    return Response(envelope.success(data, message), media_type="application/json")


async def deps(request: Request) -> Any:
    """What the lifespan yielded."""
    return request.app.state.deps


Bearer = Annotated[str, Depends(entrance.bearer)]
Caller = Annotated[User, Depends(entrance.caller)]
Deps = Annotated[Any, Depends(deps)]
Entrance = Annotated[Gate, Depends(entrance.gate)]


def _keep(
    lifespan: Lifespan, gate: OpenGate
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def live(app: FastAPI) -> AsyncGenerator[None, None]:
        async with gate() as app.state.gate, lifespan() as app.state.deps:
            yield

    return live


def _health(ready: Ready) -> APIRouter:
    health = router()

    @health.get("/healthz", include_in_schema=False)
    async def alive() -> Response:
        return ok({"alive": True})

    @health.get("/readyz", include_in_schema=False)
    async def is_ready(request: Request) -> Response:
        if not await ready(request.app.state.deps):
            raise errors.Unavailable("This function is not ready yet.")
        return ok({"ready": True})

    return health


async def _answer(request: Request, error: Exception) -> Response:
    status, headers, body = answers.http_answer(error)
    return Response(body, status, {name.decode(): value.decode() for name, value in headers})


async def _answer_framework(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if isinstance(error.__cause__, errors.EventrainError):
        return await _answer(request, error.__cause__)
    return await _answer(request, _meaning(request, error))


def _meaning(request: Request, error: HTTPException) -> Exception:
    match error.status_code:
        case 400:
            return errors.Unreadable(error.detail)
        case 404:
            return errors.NotFound("There is nothing at this path.")
        case 405:
            return errors.MethodNotAllowed(_allowed(request))
        case _:
            return error


def _allowed(request: Request) -> list[str]:
    routes = request.app.router.routes
    scopes = {method: {**request.scope, "method": method} for method in METHODS}
    allowed = [
        method
        for method, scope in scopes.items()
        if any(route.matches(scope)[0] is Match.FULL for route in routes)
    ]
    return [*allowed, "HEAD"] if "GET" in allowed else allowed


async def _answer_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    found = error.errors()
    if any(each["loc"][0] == "path" for each in found):
        return await _answer(request, errors.NotFound())
    violations = [errors.Violation(_field(each["loc"]), each["msg"]) for each in found]
    return await _answer(request, errors.Invalid(violations))


def _field(location: tuple[int | str, ...]) -> str:
    return ".".join(map(str, location[1:])) or str(location[0])
