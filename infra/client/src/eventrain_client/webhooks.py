"""Who is told of what happens to jobs, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic
from urllib.parse import quote

from eventrain_client.admin_replies import Delivery, DeliveryPage, Webhook, WebhookSecret
from eventrain_client.calls import D, call
from eventrain_client.exchange import Exchange
from eventrain_client.flow import Flow

# Webhooks has a method `list`.
Rows = list[Webhook]

WEBHOOKS = "/webhooks"


@dataclass(frozen=True)
class Webhooks(Generic[D]):
    exchange: Exchange
    driver: D

    @call
    def list(self) -> Flow[Rows]:
        return _listed(self.exchange)

    @call
    def create(self, url: str, events: Sequence[str] = ()) -> Flow[Webhook]:
        """Told of these events, of all when none are named. The answer holds its secret, once."""
        return self.exchange.ask("POST", WEBHOOKS, json={"url": url, "events": [*events]})

    @call
    def delete(self, webhook_id: str) -> Flow[Webhook]:
        return self.exchange.ask("DELETE", _webhook(webhook_id))

    @call
    def change_secret(self, webhook_id: str | None = None) -> Flow[WebhookSecret]:
        """Of a webhook; without one, of the addresses that the project's jobs name."""
        below = _webhook(webhook_id) if webhook_id else WEBHOOKS
        return self.exchange.ask("POST", f"{below}/secret")

    @call
    def test(self, webhook_id: str) -> Flow[Delivery]:
        """A delivery that tells of nothing."""
        return self.exchange.ask("POST", f"{_webhook(webhook_id)}/test")

    @call
    def deliveries(
        self,
        *,
        webhook_id: str | None = None,
        job_id: str | None = None,
        state: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> Flow[DeliveryPage]:
        """The newest first; `state` is due, delivered or failed."""
        params = {"webhookId": webhook_id, "jobId": job_id, "state": state}
        page = {"limit": limit, "cursor": cursor}
        return self.exchange.ask("GET", f"{WEBHOOKS}/deliveries", params=params | page)

    @call
    def redeliver(self, delivery_id: str) -> Flow[Delivery]:
        """Again, under the same id."""
        path = f"{WEBHOOKS}/deliveries/{quote(delivery_id, safe='')}/redeliver"
        return self.exchange.ask("POST", path)


def _listed(exchange: Exchange) -> Flow[Rows]:
    return (yield from exchange.ask("GET", WEBHOOKS))["webhooks"]


def _webhook(webhook_id: str) -> str:
    return f"{WEBHOOKS}/{quote(webhook_id, safe='')}"
