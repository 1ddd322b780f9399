"""What can be seen of an installation from here: the way to it, the clocks, the token; and what it
says of itself."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, cast

import httpx
from eventrain_client.client import Client
from eventrain_client.connection import Connection, find_connection
from eventrain_client.errors import EventrainError, LocalFault
from eventrain_client.exchange import opened

PATH = "/llm-ops/v1/admin/doctor"
# Half of what the verification of tokens forgives.
SKEW = timedelta(seconds=30)
FORGIVEN = timedelta(seconds=60)
KEPT = "evt_"


@dataclass(frozen=True, slots=True)
class Finding:
    """One look: what is wrong, if anything, how that was seen, and what to do about it."""

    check: str
    seen: str
    wrong: str | None = None
    todo: str = ""

    def data(self) -> dict[str, Any]:
        return asdict(self)


Now = Callable[[], datetime]


def utc_now() -> datetime:
    return datetime.now(UTC)


def examine(environ: Mapping[str, str], *, now: Now = utc_now) -> list[Finding]:
    """All that was looked at. What hides the rest, as a wrong token does, ends it."""
    try:
        connection = find_connection(environ)
    except LocalFault as fault:
        return [Finding("address", "No call was made.", fault.message, fault.advice)]
    asked_at = now()
    try:
        with Client(connection.address, connection.token) as client:
            response = client.api.answer(PATH)
    except EventrainError as error:
        return [_unreachable(connection, error)]
    server = _date(response)
    looks = [_clocks(asked_at, server, now())] if server else []
    return [*looks, *_answered(response, connection, server or now())]


def _unreachable(connection: Connection, error: EventrainError) -> Finding:
    return Finding(
        "address",
        error.message,
        wrong="The gateway cannot be reached.",
        todo=f"Start it with `eventrain up`, or see whether {connection.address} is where it runs.",
    )


def _clocks(asked_at: datetime, server: datetime, answered_at: datetime) -> Finding:
    """The server's clock was read between the two, and tells whole seconds."""
    ahead = max(asked_at - server - timedelta(seconds=1), server - answered_at, timedelta())
    seen = f"The server's clock says {server:%F %T} UTC, the one here {answered_at:%F %T}."
    if ahead <= SKEW:
        return Finding("clocks", seen)
    return Finding(
        "clocks",
        seen,
        wrong=f"The clocks differ by {ahead.total_seconds():.0f} s; tokens forgive 60.",
        todo="Set the clock that is wrong by NTP: the server's decides when a token is valid.",
    )


def _answered(response: httpx.Response, connection: Connection, server: datetime) -> list[Finding]:
    address = Finding("address", f"{connection.address} answers.")
    if response.status_code == 401:
        return [address, _refused_token(connection.token, server)]
    token = Finding("token", "The server takes it.")
    if response.status_code == 403:
        return [address, token, _not_admin()]
    try:
        found = opened(response, connection.address)["findings"]
    except EventrainError as error:
        return [_not_ready(response, error)]
    return [address, token, *(Finding(**each) for each in found)]


def _refused_token(token: str, server: datetime) -> Finding:
    """Why, as far as the token itself says it; that it is ours the server alone can tell."""
    if token.startswith(KEPT):
        seen = "It is one that the installation keeps, and the server does not know it any more."
        return Finding("token", seen, "The token is revoked or expired.", "Make or refresh one.")
    claims = _claims(token)
    issued, expires = _moment(claims, "iat"), _moment(claims, "exp")
    if expires is not None and expires <= server:
        seen = (
            f"It was valid until {expires:%F %T} UTC, and the server's clock says {server:%F %T}."
        )
        return Finding("token", seen, "The token has expired.", "Ask for a new one.")
    if issued is not None and issued > server + FORGIVEN:
        seen = f"It was issued at {issued:%F %T} UTC, and the server's clock says {server:%F %T}."
        return Finding(
            "clocks",
            seen,
            wrong="The token comes from the future: its maker's clock and the server's differ.",
            todo="Set the clock that is wrong by NTP, then make the token anew.",
        )
    if not claims:
        return Finding("token", "It is no token of any kind that is known.", *_WRONG)
    seen = f"It is in time, and made for {claims.get('sub', 'nobody')!r}; its signature is refused."
    return Finding("token", seen, *_WRONG)


_WRONG = (
    "The token is not one of this installation.",
    "Set EVENTRAIN_TOKEN to one of its own; `eventrain up` writes one to client.json.",
)


def _not_admin() -> Finding:
    return Finding(
        "role",
        "The server says that this takes the role admin.",
        wrong="The inside was not looked at.",
        todo="Ask again with a token of somebody who administers a project.",
    )


def _not_ready(response: httpx.Response, error: EventrainError) -> Finding:
    if response.status_code == 404:
        return Finding(
            "version",
            f"There is nothing at {PATH}.",
            wrong="The installation is older than this command.",
            todo="Upgrade it (docs/upgrade.md), or use the command of its release.",
        )
    return Finding(
        "functions",
        f"HTTP {response.status_code}: {error.message}",
        wrong="A function is not ready.",
        todo="See the log of the function doctor, and its Service in the cluster.",
    )


def _date(response: httpx.Response) -> datetime | None:
    """The server's clock, where it tells it. Each server on the way may add its own."""
    told = response.headers.get_list("Date")
    try:
        return parsedate_to_datetime(told[0]).astimezone(UTC)
    except (IndexError, ValueError):
        return None


def _claims(token: str) -> dict[str, Any]:
    """What a JWT says of itself; nothing where it is none."""
    try:
        payload = token.split(".")[1]
        read = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (ValueError, IndexError):
        return {}
    return cast("dict[str, Any]", read) if isinstance(read, dict) else {}


def _moment(claims: Mapping[str, Any], name: str) -> datetime | None:
    try:
        return datetime.fromtimestamp(float(claims[name]), UTC)
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        return None
