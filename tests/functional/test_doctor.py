"""What is wrong with an installation, each fault really caused, and found by the command."""

import asyncio
import base64
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import jwt
import pytest
import yaml

from infra.cli import diagnosis
from tests.functional.here import Here
from tests.functional.stack import Up
from tests.functional.user import User
from tests.functional.world import ring_of
from tests.postgres_server import CLONE

Answer = tuple[int, dict[str, str | None]]
TRIGGERS = "/apis/eventing.knative.dev/v1/namespaces/eventrain/triggers"


class Patient:
    """An installation of its own, to be made ill."""

    def __init__(self, up: Up) -> None:
        self.up = up
        client = json.loads((up.home / "client.json").read_text())
        self.address: str = client["address"]
        self.token: str = client["token"]

    def doctor(self, **environ: str) -> Answer:
        """The exit code, and what is wrong by what was looked at."""
        ended = self.run("--json", **environ)
        told = json.loads(ended.stdout)
        assert told["healthy"] == (ended.returncode == 0)
        return ended.returncode, {each["check"]: each["wrong"] for each in told["findings"]}

    def run(self, *options: str, **environ: str) -> subprocess.CompletedProcess[str]:
        unnamed = {name: value for name, value in os.environ.items() if "EVENTRAIN" not in name}
        return subprocess.run(
            [sys.executable, "-m", "infra.cli", "doctor", *options],
            cwd=CLONE,
            env={**unnamed, "EVENTRAIN_HOME": str(self.up.home), **environ},
            capture_output=True,
            text=True,
            check=False,
        )

    def until(self, right: Callable[[Answer], bool], seconds: float = 90) -> Answer:
        deadline = time.monotonic() + seconds
        while not right(answer := self.doctor()):
            assert time.monotonic() < deadline, answer
            time.sleep(0.5)
        return answer

    def forged(self, change: Mapping[str, Any], secret: bytes | None = None) -> str:
        """The user's own token with other claims, signed with the installation's key or another."""
        ring = ring_of(json.loads((self.up.home / "secrets.json").read_text())["user_token_keys"])
        kid = ring["signing"]
        claims = jwt.decode(self.token, options={"verify_signature": False})
        key = secret or base64.b64decode(ring["keys"][kid]["secret"])
        return jwt.encode({**claims, **change}, key, algorithm="HS256", headers={"kid": kid})


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Patient]:
    up = Up(tmp_path_factory.mktemp("patient"))
    up.start()
    yield Patient(up)
    up.end()


def is_well(answer: Answer) -> bool:
    return answer[0] == 0


@pytest.mark.timeout(300)
class TestDoctor:
    def test_finds_nothing_wrong_with_what_is_well(self, patient: Patient) -> None:
        code, found = patient.until(is_well)
        looked_at = {"address", "clocks", "token", "schema", "ticks", "bucket", "triggers"}
        assert code == 0
        assert looked_at <= set(found)
        assert set(found.values()) == {None}
        assert "Nothing is wrong." in patient.run().stdout

    def test_finds_a_token_of_another_installation(self, patient: Patient) -> None:
        code, found = patient.doctor(EVENTRAIN_TOKEN=patient.forged({}, secret=b"x" * 32))
        assert code == 1
        assert found["token"] == "The token is not one of this installation."

    def test_finds_a_token_that_is_no_longer_valid(self, patient: Patient) -> None:
        before = int(time.time()) - 60
        code, found = patient.doctor(EVENTRAIN_TOKEN=patient.forged({"exp": before}))
        assert code == 1
        assert found["token"] == "The token has expired."

    def test_finds_that_the_clock_here_is_wrong(self, patient: Patient) -> None:
        wrong = timedelta(minutes=10)
        environ = {"EVENTRAIN_HOME": str(patient.up.home)}
        for off in (wrong, -wrong):
            looks = diagnosis.examine(environ, now=lambda by=off: datetime.now(UTC) + by)
            (clocks,) = (each for each in looks if each.check == "clocks")
            assert clocks.wrong
            assert "The clocks differ by" in clocks.wrong

    def test_finds_that_a_token_was_made_by_a_clock_that_is_ahead(self, patient: Patient) -> None:
        later = int(time.time()) + 600
        made = patient.forged({"iat": later, "exp": later + 3600})
        code, found = patient.doctor(EVENTRAIN_TOKEN=made)
        assert code == 1
        assert "from the future" in (found["clocks"] or "")
        assert "token" not in found

    def test_finds_that_nobody_answers(self, patient: Patient) -> None:
        code, found = patient.doctor(
            EVENTRAIN_ADDRESS="http://127.0.0.1:9", EVENTRAIN_TOKEN=patient.token
        )
        assert code == 1
        assert found == {"address": "The gateway cannot be reached."}

    def test_says_that_it_could_not_look_inside(self, patient: Patient) -> None:
        claims = jwt.decode(patient.token, options={"verify_signature": False})
        projects = dict.fromkeys(claims["projects"], "viewer")
        viewer = patient.forged({"projects": projects, "administers": False, "sub": "somebody"})
        code, found = patient.doctor(EVENTRAIN_TOKEN=viewer)
        assert code == 1
        assert found["role"] == "The inside was not looked at."

    def test_finds_that_the_bucket_is_missing(self, patient: Patient) -> None:
        bucket = patient.up.home / "s3/data/eventrain"
        away = patient.up.home / "away"
        bucket.rename(away)
        try:
            _, found = patient.until(lambda answer: answer[1].get("bucket") is not None)
            assert found["bucket"] == "The bucket is missing."
        finally:
            away.rename(bucket)
        patient.until(is_well)

    def test_finds_that_the_schema_is_behind(self, patient: Patient) -> None:
        # What a database looks like that no migration has reached since the release before.
        newest = asyncio.run(mark_revision(patient, "0001"))
        try:
            code, found = patient.doctor()
            assert code == 1
            assert found["schema"] == "The schema is behind the code."
        finally:
            asyncio.run(mark_revision(patient, newest))
        patient.until(is_well)

    def test_finds_that_no_tick_was_complete_for_long(self, patient: Patient) -> None:
        user = User.of_home(patient.up.home)
        here = Here(patient.up, user)
        with here.without("status-sync"):
            code, found = patient.until(lambda answer: answer[1].get("ticks") is not None)
            assert code == 1
            assert found["ticks"] == "The last complete tick is too old."
        user.close()
        patient.until(lambda answer: answer[1].get("ticks", "") is None)

    def test_finds_that_the_broker_has_no_trigger_for_a_function(self, patient: Patient) -> None:
        config = yaml.safe_load((patient.up.home / "kubeconfig.yaml").read_text())
        server = config["clusters"][0]["cluster"]["server"]
        bearer = {"authorization": f"Bearer {config['users'][0]['user']['token']}"}
        httpx.delete(f"{server}{TRIGGERS}/launch-job", headers=bearer).raise_for_status()
        code, found = patient.doctor()
        assert code == 1
        assert found["triggers"] == "launch-job has no Trigger for events that it waits for."
        assert "job.submitted" in patient.run().stdout


async def mark_revision(patient: Patient, revision: str) -> str:
    """Puts this one in the place of the one that is told."""
    connection = await asyncpg.connect(database_of(patient.up))
    try:
        before = await connection.fetchval("select version_num from alembic_version")
        await connection.execute("update alembic_version set version_num = $1", revision)
        return before
    finally:
        await connection.close()


def database_of(up: Up) -> str:
    found = (each.environ().get("DATABASE_URL") for each in up.processes())
    return next(filter(None, found))
