"""One POST to an address that somebody else chose.

The name is resolved once, every address that it has is looked at, and the connection goes to one
of those: no second look at the name can lead elsewhere. Redirects are not followed, nothing of an
answer but its code and a few first bytes is kept, and all of it takes no longer than TOTAL.
"""

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

import httpx

from common.jobs import webhook
from common.jobs.webhook import Policy

CONNECT = 5.0
TOTAL = 10.0
KEPT = 200
GONE = 410

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


@dataclass(frozen=True)
class Answer:
    """What came of one try. `final` says that another would end the same."""

    seconds: float
    code: int | None = None
    error: str | None = None
    final: bool = False

    @property
    def taken(self) -> bool:
        return self.error is None


class _Refused(Exception):
    """This address is not called."""


class Sender:
    """Posts by the installation's policy. Each of a name's addresses has its turn, try by try."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        policy: Callable[[], Policy],
        *,
        resolve: Resolve | None = None,
        total: float = TOTAL,
    ) -> None:
        self._client = client
        self._policy = policy
        self._resolve = resolve or resolve_name
        self._total = total

    async def post(self, url: str, headers: Mapping[str, str], body: bytes, turn: int) -> Answer:
        """Never raises for what the receiver or the network does."""
        clock = time.monotonic
        began = clock()
        try:
            async with asyncio.timeout(self._total):
                code, said = await self._send(url, headers, body, turn)
        except _Refused as refused:
            return Answer(clock() - began, error=str(refused), final=True)
        except TimeoutError:
            return Answer(clock() - began, error=f"no whole answer within {self._total:g} seconds")
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as wrong:
            return Answer(clock() - began, error=_told(wrong))
        return Answer(clock() - began, code, _fault(code, said), final=code == GONE)

    async def _send(
        self, url: str, headers: Mapping[str, str], body: bytes, turn: int
    ) -> tuple[int, str]:
        target = httpx.URL(url)
        address = await self._find(url, target, turn)
        # The pinned address is what is connected to; the name stays in Host and in TLS.
        request = self._client.build_request(
            "POST",
            target.copy_with(host=address),
            content=body,
            headers={**headers, "host": target.netloc.decode(), "accept-encoding": "identity"},
            extensions={"sni_hostname": target.raw_host.decode()},
        )
        answer = await self._client.send(request, stream=True)
        try:
            return answer.status_code, await _beginning(answer)
        finally:
            await answer.aclose()

    async def _find(self, url: str, target: httpx.URL, turn: int) -> str:
        policy = self._policy()
        problem = webhook.problem(url, policy)
        if problem is not None:
            raise _Refused(f"the address {problem}")
        found = await self._resolve(target.host, target.port or _port(target))
        if not found:
            raise OSError(f"{target.host} has no address")
        inside = [each for each in found if not webhook.is_public(each)]
        if inside and not policy.private:
            raise _Refused(f"{target.host} leads to the private address {inside[0]}")
        return found[turn % len(found)]


def open_client(**options: object) -> httpx.AsyncClient:
    """Keeps no connection: one to an address may have been made under another name."""
    return httpx.AsyncClient(
        timeout=httpx.Timeout(TOTAL, connect=CONNECT),
        limits=httpx.Limits(max_keepalive_connections=0),
        follow_redirects=False,
        trust_env=False,
        **options,  # pyright: ignore[reportArgumentType]
    )


async def resolve_name(host: str, port: int) -> Sequence[str]:
    """The addresses that the system knows of this name."""
    found = await asyncio.get_running_loop().getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG
    )
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


async def _beginning(answer: httpx.Response) -> str:
    kept = b""
    async for chunk in answer.aiter_raw():
        kept += chunk
        if len(kept) >= KEPT:
            break
    return " ".join(kept[:KEPT].decode("utf-8", "replace").replace("\0", "?").split())


def _fault(code: int, said: str) -> str | None:
    if 200 <= code < 300:
        return None
    if 300 <= code < 400:
        return f"answered {code}, a redirect, which is not followed"
    return f"answered {code}: {said}" if said else f"answered {code}"


def _told(wrong: Exception) -> str:
    said = " ".join(str(wrong).split())[:KEPT]
    return f"{type(wrong).__name__}: {said}" if said else type(wrong).__name__


def _port(target: httpx.URL) -> int:
    return 443 if target.scheme == "https" else 80
