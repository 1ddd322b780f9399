"""Where the control plane is and who asks: from the environment, else from client.json."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from eventrain_client.errors import LocalFault

ADVICE = "Start a stack with `eventrain up`, or set EVENTRAIN_ADDRESS and EVENTRAIN_TOKEN."

_ADDRESS = re.compile(r"https?://([\w.-]+|\[[0-9a-fA-F:.]+\])(:[0-9]{1,5})?(/[!-~]*)?")
_TOKEN = re.compile(r"[!-~]+")


@dataclass(frozen=True, slots=True)
class Connection:
    address: str
    token: str = field(repr=False)


def find_home(environ: Mapping[str, str]) -> Path:
    given = environ.get("EVENTRAIN_HOME")
    return Path(given).expanduser() if given else Path.home() / ".eventrain"


def find_connection(environ: Mapping[str, str]) -> Connection:
    """Raises LocalFault, with what to do, when address or token is not known."""
    address, token = environ.get("EVENTRAIN_ADDRESS"), environ.get("EVENTRAIN_TOKEN")
    if address and token:
        return _checked(Connection(address.rstrip("/"), token))
    path = find_home(environ) / "client.json"
    saved = _read(path)
    if saved is None:
        missing = "EVENTRAIN_TOKEN is not set" if address else "No control plane is known here"
        raise LocalFault(f"{missing}, and there is no {path}.", advice=ADVICE)
    if address and address.rstrip("/") != saved.address:
        # A saved token goes to no address but its own.
        raise LocalFault(
            f"The token in {path} is for {saved.address}, not for {address}.",
            advice="Set EVENTRAIN_TOKEN as well.",
        )
    return _checked(Connection(saved.address, token or saved.token))


def _checked(connection: Connection) -> Connection:
    if not _ADDRESS.fullmatch(connection.address):
        raise LocalFault(
            f"{connection.address!r} is no address.",
            advice="Write it with its scheme, for example http://127.0.0.1:8400.",
        )
    if not _TOKEN.fullmatch(connection.token):
        raise LocalFault("The token holds characters that no token has.", advice=ADVICE)
    return connection


def _read(path: Path) -> Connection | None:
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise LocalFault(f"{path} cannot be read: {error.strerror}.", advice=ADVICE) from error
    try:
        saved = cast("dict[str, Any]", json.loads(text))
        return Connection(str(saved["address"]).rstrip("/"), str(saved["token"]))
    except (ValueError, KeyError, TypeError) as error:
        message = f"{path} is not what `eventrain up` writes there."
        raise LocalFault(message, advice=ADVICE) from error
