"""Eventrain's user API in Python. See `docs/python-client.md`.

Loaded when it is asked for: whoever needs an error alone does not wait for HTTP.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from eventrain_client.client import AsyncClient, Client
    from eventrain_client.errors import (
        EventrainError,
        FolderFault,
        LocalFault,
        NotEnded,
        Refused,
        ServerFault,
        Unreachable,
        Violation,
    )
    from eventrain_client.exchange import Patience, Told
    from eventrain_client.follow import Update
    from eventrain_client.replies import TERMINAL, Job
    from eventrain_client.request import JobRequest

__all__ = [
    "TERMINAL",
    "AsyncClient",
    "Client",
    "EventrainError",
    "FolderFault",
    "Job",
    "JobRequest",
    "LocalFault",
    "NotEnded",
    "Patience",
    "Refused",
    "ServerFault",
    "Told",
    "Unreachable",
    "Update",
    "Violation",
]

_PLACES = {
    "client": ("AsyncClient", "Client"),
    "exchange": ("Patience", "Told"),
    "follow": ("Update",),
    "replies": ("TERMINAL", "Job"),
    "request": ("JobRequest",),
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    place = next((place for place, names in _PLACES.items() if name in names), "errors")
    return getattr(import_module(f"eventrain_client.{place}"), name)
