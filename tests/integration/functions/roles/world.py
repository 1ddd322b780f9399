"""What calls are made of: things in the tests' project, made anew for each call, and bodies."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from common.access import project, token
from common.access.token import Wanted
from common.events import Event
from common.jobs.state import Status
from common.letter import Letters, letter_of
from common.postgres import transaction
from common.storage.objects import Objects
from common.tokens.user_token import User
from common.webhooks import delivery, subscription
from tests.integration.functions.roles.rules import (
    API,
    DATASET,
    DATASETS,
    HOOKS,
    JOB,
    JOBS,
    MODEL,
    MODELS,
    PROJECTS,
    SOURCES,
)  # fmt: skip
from tests.integration.functions.roles.rules import (
    PROJECT as ONE,
)
from tests.jobs import PROJECT, make_dataset, make_job, make_model
from tests.keys import now_utc

MACHINE = {"cpuCores": 1, "memory": "1Gi", "maxDuration": 10}
SUBMIT: dict[str, Any] = {
    "projectId": str(PROJECT),
    "jobType": "from_scratch",
    "useGpu": False,
    "resourceProfile": MACHINE,
    "hyperparameters": {"architecture": "mlp"},
}
UPLOAD = {"name": "a.csv", "size": 10}
UPLOADED = {"name": "a.csv", "upload_id": "none", "parts": [{"part_number": 1, "etag": "e"}]}
ABORTED = {"name": "a.csv", "upload_id": "none"}
CODE = {"projectId": str(PROJECT), "digest": f"sha256:{'0' * 64}"}
SENT = {
    "name": f"{'0' * 32}.tar.gz",
    "uploadId": "none",
    "parts": [{"partNumber": 1, "etag": "e"}],
}
HERE = {"project_id": str(PROJECT), "version": "1"}
FILE = {"file": ("a.csv", b"a,b\n1,2\n", "text/csv")}

# What a call sends beside its path: the arguments of an HTTP client.
BODIES: Mapping[tuple[str, str], Callable[[], dict[str, Any]]] = {
    ("POST", JOBS): lambda: {"json": SUBMIT},
    ("POST", "/v1/jobs"): lambda: {"json": SUBMIT},
    ("POST", f"{JOB}/resubmit"): lambda: {"json": {"resourceProfile": MACHINE}},
    ("POST", f"{JOBS}/{{job_id}}/register-model"): lambda: {
        "json": {"modelName": "m", "modelVersion": uuid4().hex}
    },
    ("POST", f"{JOB}/metrics"): lambda: {"json": {"name": "loss", "value": 1.0}},
    ("POST", f"{JOB}/experiment-run"): lambda: {"json": {"runName": "first"}},
    ("POST", f"{JOB}/experiment-run/metrics"): lambda: {"json": {"metrics": {"loss": 1.0}}},
    ("POST", f"{API}/experiments/search"): lambda: {"json": {}},
    ("POST", SOURCES): lambda: {"json": {**CODE, "size": 10}},
    ("POST", f"{SOURCES}/complete"): lambda: {"json": {**CODE, **SENT}},
    ("POST", MODELS): lambda: {"json": {**HERE, "name": uuid4().hex, "type": "base"}},
    ("PATCH", f"{MODEL}/status"): lambda: {"params": {"status": "under_review"}},
    ("POST", f"{MODEL}/upload"): lambda: {"files": FILE},
    ("POST", f"{MODEL}/uploads"): lambda: {"json": UPLOAD},
    ("POST", f"{MODEL}/uploads/complete"): lambda: {"json": UPLOADED},
    ("POST", f"{MODEL}/uploads/abort"): lambda: {"json": ABORTED},
    ("POST", DATASETS): lambda: {"json": {**HERE, "name": uuid4().hex}},
    ("POST", f"{DATASET}/upload"): lambda: {"files": FILE},
    ("POST", f"{DATASET}/uploads"): lambda: {"json": UPLOAD},
    ("POST", f"{DATASET}/uploads/complete"): lambda: {"json": UPLOADED},
    ("POST", f"{DATASET}/uploads/abort"): lambda: {"json": ABORTED},
    ("POST", PROJECTS): lambda: {"json": {"name": "vision"}},
    ("PATCH", ONE): lambda: {"json": {"name": "vision"}},
    ("PUT", f"{ONE}/members/{{user}}"): lambda: {"json": {"role": "viewer"}},
    ("POST", f"{API}/tokens"): lambda: {"json": {"name": "mine"}},
    ("POST", f"{API}/tokens/refresh"): lambda: {"json": {"refreshToken": "evr_none"}},
    ("POST", HOOKS): lambda: {
        "json": {"url": "https://example.com/hook", "projectId": str(PROJECT)}
    },
    ("POST", f"{HOOKS}/secret"): lambda: {"params": {"projectId": str(PROJECT)}},
    ("POST", "/v1/jobs/{jobId}/heartbeat"): lambda: {"json": {"sequence": 1}},
    ("POST", "/v1/jobs/{jobId}/event"): lambda: {
        "json": {"type": "log", "payload": {"lines": ["x"]}, "occurredAt": now_utc().isoformat()}
    },
    ("POST", "/v1/jobs/{jobId}/addresses"): lambda: {
        "json": {"puts": [{"name": "artifacts/a", "size": 1}], "gets": []}
    },
    ("POST", "/v1/jobs/{jobId}/done"): lambda: {"json": {"outcome": "succeeded"}},
}


@dataclass(frozen=True)
class World:
    """Makes what a path names, in the tests' project."""

    pool: asyncpg.Pool
    objects: Objects

    async def fill(self, path: str) -> tuple[str, UUID]:
        """The path with everything in it made, and the job that it names, or any id."""
        job_id = uuid4()
        for name, make in MAKERS.items():
            if f"{{{name}}}" in path:
                made = await make(self)
                path = path.replace(f"{{{name}}}", str(made))
                job_id = made if isinstance(made, UUID) and name in JOB_NAMES else job_id
        return path, job_id

    async def job(self) -> UUID:
        return await make_job(self.pool, Status.RUNNING)

    async def model(self) -> UUID:
        return await make_model(self.pool, uuid4())

    async def dataset(self) -> UUID:
        return await make_dataset(self.pool)

    async def project(self) -> UUID:
        return PROJECT

    async def member(self) -> str:
        async with transaction(self.pool) as connection:
            await project.lock(connection, PROJECT, by="ada", now=now_utc())
            await project.put_member(connection, PROJECT, "bob", "viewer", by="ada", now=now_utc())
        return "bob"

    async def token(self) -> UUID:
        """A machine's: those of people have no project."""
        wanted = Wanted("machine", "ci", timedelta(hours=1), project_id=PROJECT)
        maker = User("ada", {str(PROJECT): "admin"})
        async with transaction(self.pool) as connection:
            return (await token.create(connection, maker, wanted, now=now_utc())).id

    async def letter(self) -> str:
        data = {"projectId": str(PROJECT)}
        event = Event(id=str(uuid4()), source="s", type="dev.eventrain.job.queued.v1", data=data)
        letter = letter_of(event, now_utc())
        await Letters(self.objects).keep(letter)
        return letter.id

    async def webhook(self) -> UUID:
        return (await self._webhook())["id"]

    async def delivery(self) -> UUID:
        row = await self._webhook()
        made = await delivery.add_test(self.pool, row, uuid4(), now=now_utc())
        return made["id"]

    async def _webhook(self) -> Mapping[str, Any]:
        await self.pool.execute("delete from webhooks")
        made = subscription.Webhook(uuid4(), PROJECT, "https://example.com/", ["job.failed"], "ada")
        async with transaction(self.pool) as connection:
            row, _ = await subscription.add(connection, made, now=now_utc())
        return row


JOB_NAMES = ("jobId", "job_id")
MAKERS: Mapping[str, Callable[[World], Awaitable[object]]] = {
    "jobId": World.job,
    "job_id": World.job,
    "model_id": World.model,
    "dataset_id": World.dataset,
    "projectId": World.project,
    "user": World.member,
    "tokenId": World.token,
    "letterId": World.letter,
    "webhookId": World.webhook,
    "deliveryId": World.delivery,
}
