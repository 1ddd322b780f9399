"""What operators ask: the audit, the ledger, dead letters, what is about to be deleted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic
from urllib.parse import quote

from eventrain_client.admin_replies import AuditPage, DeadLetter, DeadLetterPage, Expired, Ledger
from eventrain_client.calls import D, call
from eventrain_client.exchange import Exchange
from eventrain_client.flow import Flow
from eventrain_client.replies import Framework, GpuType

DEAD_LETTERS = "/admin/dead-letters"


@dataclass(frozen=True)
class Admin(Generic[D]):
    exchange: Exchange
    driver: D

    @call
    def gpu_types(self, *, env: str | None = None) -> Flow[list[GpuType]]:
        """What is offered in dev, stg or prod; in the running environment when not given."""
        return _within(self.exchange, "/training/gpu-types", "gpuTypes", {"env": env})

    @call
    def frameworks(self, *, env: str | None = None) -> Flow[list[Framework]]:
        """What can train there, and the parameters of each."""
        return _within(self.exchange, "/training/frameworks", "frameworks", {"env": env})

    @call
    def audit(
        self,
        *,
        project_id: str | None = None,
        user: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> Flow[AuditPage]:
        """Who changed what, the newest first."""
        params = {"projectId": project_id, "user": user, "limit": limit, "cursor": cursor}
        return self.exchange.ask("GET", "/audit", params=params)

    @call
    def ledger(
        self,
        *,
        group_by: str | None = None,
        project_id: str | None = None,
        since: str | None = None,
        until: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> Flow[Ledger]:
        """Where GPU hours went, by project, user, job, gpuType, day or month. Times are ISO 8601."""
        params = {"groupBy": group_by, "projectId": project_id, "from": since, "to": until}
        page = {"limit": limit, "cursor": cursor}
        return self.exchange.ask("GET", "/ledger", params=params | page)

    @call
    def dead_letters(
        self, *, limit: int | None = None, cursor: str | None = None
    ) -> Flow[DeadLetterPage]:
        """Events that nobody took, the oldest first."""
        params = {"limit": limit, "cursor": cursor}
        return self.exchange.ask("GET", DEAD_LETTERS, params=params)

    @call
    def dead_letter(self, letter_id: str) -> Flow[DeadLetter]:
        return self.exchange.ask("GET", f"{DEAD_LETTERS}/{quote(letter_id, safe='')}")

    @call
    def replay_dead_letter(self, letter_id: str) -> Flow[DeadLetter]:
        """Gives the event to the broker again; what was done already is not done twice."""
        path = f"{DEAD_LETTERS}/{quote(letter_id, safe='')}/replay"
        return self.exchange.ask("POST", path, repeatable=True)

    @call
    def retention(self) -> Flow[list[Expired]]:
        """What is older than it may be, and will be deleted."""
        return _within(self.exchange, "/admin/retention", "kinds", {})


def _within(exchange: Exchange, path: str, name: str, params: dict[str, Any]) -> Flow[list[Any]]:
    return (yield from exchange.ask("GET", path, params=params))[name]
