"""How a caller enters a FastAPI function: before its body is read, and noted when it has left."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from common import answers, errors
from common.access import audit
from common.access.gate import Gate
from common.tokens.user_token import User

READS = frozenset({"GET", "HEAD"})
CALLER = "eventrain.caller"


async def bearer(
    credentials: Annotated[
        HTTPAuthorizationCredentials | None,
        Security(HTTPBearer(auto_error=False, scheme_name="bearer", bearerFormat="JWT")),
    ],
) -> str:
    """The Bearer token, not verified. Raises Unauthenticated."""
    if credentials is None or not credentials.credentials:
        raise errors.Unauthenticated
    return credentials.credentials


async def caller(request: Request, token: Annotated[str, Depends(bearer)]) -> User:
    """The caller, who was let in before."""
    return request.scope[CALLER]


async def gate(request: Request) -> Gate:
    """For who must ask it about a token itself."""
    return request.app.state.gate


@asynccontextmanager
async def enter(route: APIRoute, request: Request) -> AsyncGenerator[None]:
    """FastAPI would read the whole body before it asks who sent it. Raises Unauthenticated, TooMany,
    Unavailable."""
    if not _asks_for(route.dependant, bearer):
        yield
        return
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise errors.Unauthenticated
    if not _asks_for(route.dependant, caller):
        yield
        return
    entered = await gate(request)
    user = await entered.admit(token.strip(), request.method, route.path_format)
    request.scope[CALLER] = user
    if request.method in READS:
        yield
        return
    async with noted(entered, user, route, request):
        yield


@asynccontextmanager
async def noted(
    entered: Gate, user: User, route: APIRoute, request: Request
) -> AsyncGenerator[None]:
    """The audit's row of what happens inside, unless a transaction there writes it."""
    target = next(iter(request.path_params.values()), None)
    action = f"{request.method} {route.path_format}"
    entry = entered.begin(user, action, None if target is None else str(target))
    before = audit.current.set(entry)
    try:
        yield
    except Exception as wrong:
        await entered.note(entry, _outcome(wrong))
        raise
    finally:
        audit.current.reset(before)
    if not entry.written:
        await entered.note(entry, audit.DONE)


def _outcome(wrong: Exception) -> str:
    if isinstance(wrong, RequestValidationError):
        return answers.TABLE[errors.Invalid].code
    known = wrong if isinstance(wrong, errors.EventrainError) else errors.EventrainError()
    return answers.answer_of(known).code


def _asks_for(dependant: Dependant, dependency: Callable[..., object]) -> bool:
    return dependant.call is dependency or any(
        _asks_for(each, dependency) for each in dependant.dependencies
    )
