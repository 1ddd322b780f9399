"""A typed, synchronous client of the user API.

with Client(address, token) as eventrain:
    job = eventrain.submit_job({"jobType": "from_scratch", ...})

Every call raises `Refused`, `Unreachable` or `ServerFault` (see `errors`). A submit always
carries an Idempotency-Key, so that it is repeated safely when an answer is lost.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote

from infra.cli.exchange import Exchange, Patience, Told
from infra.cli.replies import (
    Artifact,
    Attempt,
    Change,
    Dataset,
    DeadLetter,
    DeadLetterPage,
    Delivery,
    DeliveryPage,
    Expired,
    GpuType,
    Job,
    JobPage,
    Ledger,
    LogPage,
    Model,
    PointPage,
    Source,
    Webhook,
    WebhookSecret,
)

if TYPE_CHECKING:
    import httpx

API = "/llm-ops/v1"
SOURCES = f"{API}/training/sources"
DEAD_LETTERS = f"{API}/admin/dead-letters"
WEBHOOKS = f"{API}/webhooks"


class Client:
    def __init__(
        self,
        address: str,
        token: str,
        *,
        patience: Patience | None = None,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._exchange = Exchange(
            address, token, patience=patience, transport=transport, sleep=sleep
        )

    @property
    def address(self) -> str:
        return self._exchange.address

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._exchange.close()

    def submit_job(
        self,
        request: Mapping[str, Any],
        *,
        idempotency_key: str | None = None,
        dry_run: bool = False,
    ) -> Job:
        return self._exchange.call(
            "POST",
            f"{API}/training/jobs",
            params={"dryRun": "true" if dry_run else None},
            json=dict(request),
            headers={"Idempotency-Key": idempotency_key or str(uuid.uuid4())},
            repeatable=True,
        )

    def begin_source(self, digest: str, size: int, *, project_id: str | None) -> Source:
        """Code of this digest; with addresses for its parts where it is not there yet."""
        body = {"digest": digest, "size": size, "projectId": project_id}
        return self._exchange.call("POST", SOURCES, json=body, repeatable=True)

    def finish_source(
        self, digest: str, sent: Mapping[str, Any], *, project_id: str | None
    ) -> Source:
        body = {**sent, "digest": digest, "projectId": project_id}
        return self._exchange.call("POST", f"{SOURCES}/complete", json=body, repeatable=True)

    def jobs(
        self,
        *,
        status: str | None = None,
        label: str | None = None,
        model_id: str | None = None,
        submitted_by: str | None = None,
        q: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> JobPage:
        filters = {"status": status, "label": label, "modelId": model_id, "q": q}
        page = {"submittedBy": submitted_by, "limit": limit, "cursor": cursor}
        return self._exchange.call("GET", f"{API}/training/jobs", params={**filters, **page})

    def job(self, job_id: str) -> Job:
        return self._job_call("GET", job_id)

    def watch_job(self, job_id: str, *, last: str | None = None) -> Iterator[Told]:
        """What happens to the job from now on, and since the id `last`; see `infra.cli.watch`."""
        return self._exchange.listen(f"{API}/training/jobs/{job_id}/live", last=last)

    def watch_jobs(self, *, status: str | None = None, label: str | None = None) -> Iterator[Told]:
        """The newest jobs, then what changes among them."""
        params = {"status": status, "label": label}
        return self._exchange.listen(f"{API}/training/jobs/live", params=params)

    def cancel_job(self, job_id: str) -> Job:
        return self._job_call("POST", job_id, "/cancel", repeatable=True)

    def resubmit_job(
        self, job_id: str, resource_profile: Mapping[str, Any], *, use_gpu: bool | None = None
    ) -> Job:
        body: dict[str, Any] = {"resourceProfile": dict(resource_profile)}
        if use_gpu is not None:
            body["useGpu"] = use_gpu
        return self._job_call("POST", job_id, "/resubmit", json=body)

    def timeline(self, job_id: str) -> list[Change]:
        return list(self._all(job_id, "timeline"))

    def attempts(self, job_id: str) -> list[Attempt]:
        return list(self._all(job_id, "attempts"))

    def checkpoints(self, job_id: str) -> list[dict[str, Any]]:
        return list(self._all(job_id, "checkpoints"))

    def artifacts(self, job_id: str) -> list[Artifact]:
        return list(self._all(job_id, "artifacts"))

    def points(
        self,
        job_id: str,
        *,
        names: str | None = None,
        resolution: int | None = None,
        cursor: str | None = None,
    ) -> PointPage:
        params = {"names": names, "resolution": resolution, "cursor": cursor}
        return self._job_call("GET", job_id, "/points", params=params)

    def logs(self, job_id: str, *, cursor: str | None = None) -> LogPage:
        return self._job_call("GET", job_id, "/logs", params={"cursor": cursor})

    def gpu_types(self, *, env: str | None = None) -> list[GpuType]:
        path = f"{API}/training/gpu-types"
        return self._exchange.call("GET", path, params={"env": env})["gpuTypes"]

    def models(self, *, status: str | None = None) -> list[Model]:
        return list(self._catalog("models", status=status))

    def model(self, model_id: str) -> Model:
        return self._exchange.call("GET", f"{API}/catalog/models/{model_id}")

    def catalog(self, below: str, *, method: str = "GET", **options: Any) -> Any:
        return self._exchange.call(method, f"{API}/catalog/{below}", **options)

    def datasets(self) -> list[Dataset]:
        return list(self._catalog("datasets"))

    def create_dataset(self, dataset: Mapping[str, Any]) -> Dataset:
        return self._exchange.call("POST", f"{API}/catalog/datasets", json=dict(dataset))

    def upload_dataset(self, dataset_id: str, files: list[Path]) -> Dataset:
        path = f"{API}/catalog/datasets/{dataset_id}/upload"
        with ExitStack() as opened:
            parts = [
                ("files", (file.name, opened.enter_context(file.open("rb")))) for file in files
            ]
            return self._exchange.call("POST", path, files=parts)

    def dead_letters(
        self, *, limit: int | None = None, cursor: str | None = None
    ) -> DeadLetterPage:
        params = {"limit": limit, "cursor": cursor}
        return self._exchange.call("GET", DEAD_LETTERS, params=params)

    def dead_letter(self, letter_id: str) -> DeadLetter:
        return self._exchange.call("GET", f"{DEAD_LETTERS}/{quote(letter_id, safe='')}")

    def replay_dead_letter(self, letter_id: str) -> DeadLetter:
        path = f"{DEAD_LETTERS}/{quote(letter_id, safe='')}/replay"
        return self._exchange.call("POST", path, repeatable=True)

    def retention(self) -> list[Expired]:
        return self._exchange.call("GET", f"{API}/admin/retention")["kinds"]

    def webhooks(self) -> list[Webhook]:
        return self._exchange.call("GET", WEBHOOKS)["webhooks"]

    def create_webhook(self, url: str, events: Sequence[str] = ()) -> Webhook:
        return self._exchange.call("POST", WEBHOOKS, json={"url": url, "events": list(events)})

    def delete_webhook(self, webhook_id: str) -> Webhook:
        return self._exchange.call("DELETE", f"{WEBHOOKS}/{quote(webhook_id, safe='')}")

    def change_webhook_secret(self, webhook_id: str | None = None) -> WebhookSecret:
        """Of a webhook; without one, of the addresses that the project's jobs name."""
        below = f"/{quote(webhook_id, safe='')}" if webhook_id else ""
        return self._exchange.call("POST", f"{WEBHOOKS}{below}/secret")

    def test_webhook(self, webhook_id: str) -> Delivery:
        return self._exchange.call("POST", f"{WEBHOOKS}/{quote(webhook_id, safe='')}/test")

    def deliveries(
        self,
        *,
        webhook_id: str | None = None,
        job_id: str | None = None,
        state: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> DeliveryPage:
        params = {"webhookId": webhook_id, "jobId": job_id, "state": state}
        page = {"limit": limit, "cursor": cursor}
        return self._exchange.call("GET", f"{WEBHOOKS}/deliveries", params=params | page)

    def redeliver(self, delivery_id: str) -> Delivery:
        path = f"{WEBHOOKS}/deliveries/{quote(delivery_id, safe='')}/redeliver"
        return self._exchange.call("POST", path)

    def tokens(self, *, project_id: str | None = None, cursor: str | None = None) -> Any:
        params = {"projectId": project_id, "cursor": cursor}
        return self._exchange.call("GET", f"{API}/tokens", params=params)

    def create_token(self, wanted: Mapping[str, Any]) -> Any:
        return self._exchange.call("POST", f"{API}/tokens", json=dict(wanted))

    def revoke_token(self, token_id: str) -> Any:
        return self._exchange.call("DELETE", f"{API}/tokens/{quote(token_id, safe='')}")

    def refresh_token(self, refresh_token: str) -> Any:
        body = {"refreshToken": refresh_token}
        return self._exchange.call("POST", f"{API}/tokens/refresh", json=body)

    def projects(self, below: str = "", *, method: str = "GET", **options: Any) -> Any:
        return self._exchange.call(method, f"{API}/projects{below}", **options)

    def audit(self, **narrowed: Any) -> Any:
        return self._exchange.call("GET", f"{API}/audit", params=narrowed)

    def ledger(self, **asked: Any) -> Ledger:
        return self._exchange.call("GET", f"{API}/ledger", params=asked)

    def _job_call(self, method: str, job_id: str, below: str = "", **options: Any) -> Any:
        return self._exchange.call(method, f"{API}/training/jobs/{job_id}{below}", **options)

    def _all(self, job_id: str, collection: str) -> Iterator[Any]:
        cursor: str | None = None
        while True:
            page = self._job_call("GET", job_id, f"/{collection}", params={"cursor": cursor})
            yield from page[collection]
            following = page.get("nextCursor")
            if following is None or following == cursor or not page[collection]:
                return
            cursor = following

    def _catalog(self, collection: str, **filters: str | None) -> Iterator[Any]:
        path, cursor = f"{API}/catalog/{collection}", None
        while True:
            rows, cursor = self._exchange.call_for_page(
                "GET", path, params={**filters, "cursor": cursor}
            )
            yield from rows
            if cursor is None:
                return
