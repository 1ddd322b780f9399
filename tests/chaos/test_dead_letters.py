"""A consumer that is away for longer than a broker tries, without the clock that would make up
for it: the event lies in S3, is listed, sent again by the command line, and the job goes on."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio

from infra.cli.main import run
from tests.chaos.plant import NEVER, Plant
from tests.postgres_server import PostgresServer

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def plant(
    tmp_path_factory: pytest.TempPathFactory, postgres_server: PostgresServer
) -> AsyncIterator[Plant]:
    database = postgres_server.create()
    made = Plant(tmp_path_factory.mktemp("plant"), database.url, tick=NEVER)
    await made.start()
    yield made
    await made.stop()
    postgres_server.drop(database)


async def eventrain(
    plant: Plant, capsys: pytest.CaptureFixture[str], *arguments: str
) -> tuple[int, Any]:
    """The command's exit code, and the JSON that it printed."""
    environ = {"EVENTRAIN_HOME": str(plant.home)}
    code = await asyncio.to_thread(run, ("dead-letters", *arguments, "--json"), environ)
    printed = capsys.readouterr()
    assert printed.out, printed.err
    return code, json.loads(printed.out)


async def letter_about(plant: Plant, capsys: pytest.CaptureFixture[str], job_id: str) -> Any:
    deadline = time.monotonic() + 180
    while True:
        _, page = await eventrain(plant, capsys, "list", "--limit", "200")
        found = [each for each in page["deadLetters"] if each["subject"] == job_id]
        if found:
            return found[0]
        assert time.monotonic() < deadline, await plant.standing(job_id)
        await asyncio.sleep(0.2)


@pytest.mark.parametrize(
    ("function", "event"),
    [("launch-job", "job.submitted"), ("register-model", "job.succeeded")],
)
async def test_a_job_goes_on_when_its_dead_letter_is_sent_again(
    plant: Plant, capsys: pytest.CaptureFixture[str], function: str, event: str
) -> None:
    with plant.down(function):
        job_id = await plant.submit(uuid4().hex)
        letter = await letter_about(plant, capsys, job_id)
    assert letter["type"] == f"dev.eventrain.{event}.v1"
    assert function in letter["failure"]["destination"]
    before = await plant.pool.fetchval("select status from jobs where id = $1", job_id)
    assert before == ("pending" if function == "launch-job" else "succeeded")

    for _ in range(2):
        code, sent = await eventrain(plant, capsys, "replay", letter["id"])
        assert code == 0
        assert sent["replayedAt"]

    await plant.check(job_id)
    _, shown = await eventrain(plant, capsys, "show", letter["id"])
    assert shown["data"]["jobId"] == job_id
    assert shown["eventId"] == letter["eventId"]
