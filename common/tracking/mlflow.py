"""MLflow's server over plain HTTP, by callers who can always do without it.

No call outlasts its time, only a few run at once, and when several in a row found nobody, those
that follow are told so at once, until one that is let through finds somebody again.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from common.errors import EventrainError, Unavailable

if TYPE_CHECKING:
    import httpx

Method = Literal["GET", "POST", "PATCH", "DELETE"]

API = "/api/2.0/mlflow/"
AT_ONCE = 8
CONNECT = 3.0
TOTAL = 15.0
FAILURES = 3
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 30.0
KEPT = 300
# What says that the content is at fault; everything else may be otherwise next time.
REFUSALS = frozenset({400, 404, 409})
REFUSED_BY_NAME = frozenset({"INVALID_STATE"})


class MlflowUnavailable(Unavailable):
    """MLflow cannot be reached just now."""


class MlflowRefused(EventrainError):
    """MLflow would not take this."""

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        super().__init__(f"{code}: {message}")

    @property
    def is_missing(self) -> bool:
        return self.code == "RESOURCE_DOES_NOT_EXIST"

    @property
    def is_there(self) -> bool:
        return self.code == "RESOURCE_ALREADY_EXISTS"


class Breaker:
    """Closed until `FAILURES` calls in a row have failed; then open for a pause that doubles, at
    whose end one call is let through."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures = 0
        self._opens_at = 0.0

    @property
    def is_open(self) -> bool:
        """Whether a call would be turned away now."""
        return self._failures >= FAILURES and self._clock() < self._opens_at

    def enter(self) -> None:
        """Raises MlflowUnavailable. Whoever is let through while others wait moves their time on."""
        if self.is_open:
            raise MlflowUnavailable("MLflow did not answer lately; it is asked again in a while.")
        if self._failures >= FAILURES:
            self._opens_at = self._clock() + self._pause()

    def fail(self) -> None:
        self._failures += 1
        if self._failures >= FAILURES:
            self._opens_at = self._clock() + self._pause()

    def succeed(self) -> None:
        self._failures = 0

    def _pause(self) -> float:
        doublings = min(self._failures - FAILURES, 10)
        return min(FIRST_PAUSE * 2**doublings, LONGEST_PAUSE)


class Mlflow:
    """A client of one server. It keeps its connections."""

    def __init__(
        self,
        url: str,
        *,
        total: float = TOTAL,
        at_once: int = AT_ONCE,
        breaker: Breaker | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self.breaker = breaker or Breaker()
        self._total = total
        self._gate = asyncio.Semaphore(at_once)
        self._client: httpx.AsyncClient | None = None

    async def call(
        self, method: Method, path: str, body: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """The answer to one call of the REST API, `path` without what is the same for all; the body
        of a GET goes into its query. Raises MlflowUnavailable where nobody answered in time or
        the server is at fault, MlflowRefused where it will not have what was sent."""
        async with self._gate:
            self.breaker.enter()
            try:
                async with asyncio.timeout(self._total):
                    answer = await self._send(method, path, body)
                said = _read(answer)
            except MlflowRefused:
                self.breaker.succeed()
                raise
            except Exception as wrong:
                self.breaker.fail()
                raise _unavailable(wrong) from wrong
            self.breaker.succeed()
            return said

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()

    async def _send(
        self, method: Method, path: str, body: Mapping[str, Any] | None
    ) -> "httpx.Response":
        options: dict[str, Any] = {}
        if method == "GET":
            options["params"] = body
        elif body is not None:
            options["content"] = msgspec.json.encode(body)
            options["headers"] = {"content-type": "application/json"}
        return await self._open().request(method, f"{self.url}{API}{path}", **options)

    def _open(self) -> "httpx.AsyncClient":
        if self._client is None:
            import httpx

            self._client = httpx.AsyncClient(
                timeout=httpx.Timeout(self._total, connect=CONNECT),
                follow_redirects=False,
                trust_env=False,
            )
        return self._client


@asynccontextmanager
async def open_mlflow(url: str | None) -> AsyncGenerator[Mlflow | None]:
    """The server that the settings name, if they name one. Opening it makes no call."""
    if url is None:
        yield None
        return
    mlflow = Mlflow(url)
    try:
        yield mlflow
    finally:
        await mlflow.close()


def _read(answer: "httpx.Response") -> dict[str, Any]:
    try:
        said: Any = msgspec.json.decode(answer.content) if answer.content else {}
    except (msgspec.MsgspecError, UnicodeError):
        said = None
    if answer.is_success and isinstance(said, dict):
        return said
    code = said.get("error_code") if isinstance(said, dict) else None
    if code in REFUSED_BY_NAME or (code and answer.status_code in REFUSALS):
        raise MlflowRefused(str(code), _short(said.get("message")))
    raise MlflowUnavailable(f"MLflow answered {answer.status_code}: {_short(answer.text)}")


def _unavailable(wrong: Exception) -> Exception:
    if isinstance(wrong, MlflowUnavailable):
        return wrong
    said = _short(str(wrong))
    return MlflowUnavailable(f"MLflow: {type(wrong).__name__}{f': {said}' if said else ''}")


def _short(said: Any) -> str:
    return " ".join(str(said or "").split())[:KEPT]
