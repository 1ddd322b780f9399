"""Every function as a real process, sent what nobody should send."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests import s3_server
from tests.postgres_server import CLONE, PostgresServer
from tests.processes import running_function

FUNCTIONS = sorted(path.parent.name for path in CLONE.glob("functions/*/app.py"))
EVENT = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/x", "ce-type": "nothing.known.v1"}
JSON = {"content-type": "application/json"}
CONSUMERS = ("launch_job", "status_sync", "register_model", "dead_letter", "notify", "mirror_run")
BODIES: dict[str, bytes] = {
    "broken JSON": b"{",
    "another kind of JSON": b"[1, 2]",
    "a number past 64 bits": b'{"sequence": 123456789012345678901234567890}',
    "NUL": b'{"name": "\\u0000"}',
    "a lone surrogate": b'{"name": "\\ud800"}',
    "no UTF-8": b"\xff\xfe\xfd",
    "10 MB": b'{"name": "' + b"x" * 10_000_000 + b'"}',
    "deep nesting": b"[" * 100_000,
    "nothing": b"",
}
# What is shown in the body is the token.
OPEN = {("POST", "/llm-ops/v1/tokens/refresh")}


@pytest.fixture(scope="module", params=FUNCTIONS)
def function(
    request: pytest.FixtureRequest,
    postgres_server: PostgresServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[str, httpx.Client]]:
    from tests.integration.functions.conftest import environ_of

    database = postgres_server.create()
    folder = tmp_path_factory.mktemp("s3")
    with s3_server.serve(folder) as s3:
        settings = environ_of(database.url) | {"S3_ENDPOINT_URL": s3.endpoint_url}
        settings["KUBECONFIG"] = str(_kubeconfig(folder))
        with (
            running_function(request.param, settings) as address,
            httpx.Client(base_url=address, timeout=30) as client,
        ):
            yield request.param, client
    postgres_server.drop(database)


def _kubeconfig(folder: Path) -> Path:
    """Of a cluster that is not there."""
    file = folder.parent / "kubeconfig.yaml"
    named = {"name": "x", "cluster": {"server": "http://127.0.0.1:9"}}
    context = {"name": "x", "context": {"cluster": "x", "user": "x"}}
    user = {"name": "x", "user": {"token": "t"}}
    content = {"apiVersion": "v1", "kind": "Config", "current-context": "x"}
    content |= {"clusters": [named], "contexts": [context], "users": [user]}
    file.write_text(json.dumps(content))
    return file


def calls_of(client: httpx.Client) -> list[tuple[str, str]]:
    paths: dict[str, Any] = client.get("/openapi.json").json()["paths"]
    job = "11111111-1111-4111-8111-111111111111"
    found: list[tuple[str, str]] = []
    for path, methods in paths.items():
        parts = [job if part.startswith("{") else part for part in path.split("/")]
        found += [(method.upper(), "/".join(parts)) for method in methods if method != "parameters"]
    return found


def assert_fails(answer: httpx.Response, *statuses: int) -> None:
    assert answer.status_code in statuses, answer.text
    body = answer.json()
    assert set(body) == {"status", "message", "data"}
    assert body["status"] == "fail"
    assert body["message"]
    assert "Traceback" not in answer.text
    assert answer.headers["x-request-id"]


class TestEveryFunction:
    @pytest.mark.parametrize("path", ["/nothing", "/llm-ops/v1/nothing", "/v1", "/%00", "/..;/x"])
    def test_has_an_envelope_for_an_unknown_path(
        self, function: tuple[str, httpx.Client], path: str
    ) -> None:
        assert_fails(function[1].get(path), 404)

    @pytest.mark.parametrize("method", ["TRACE", "PROPFIND", "PUT", "OPTIONS"])
    def test_has_an_envelope_for_a_wrong_method(
        self, function: tuple[str, httpx.Client], method: str
    ) -> None:
        offered = set(calls_of(function[1]))
        for path in {path for _, path in offered if (method, path) not in offered}:
            answer = function[1].request(method, path)
            assert_fails(answer, 405)
            assert answer.headers["allow"]

    def test_lets_nobody_call_without_a_token(self, function: tuple[str, httpx.Client]) -> None:
        for method, path in set(calls_of(function[1])) - OPEN:
            assert_fails(function[1].request(method, path, content=b"{"), 401)

    @pytest.mark.parametrize("body", list(BODIES))
    def test_refuses_a_hostile_body(self, function: tuple[str, httpx.Client], body: str) -> None:
        for method, path in calls_of(function[1]):
            if method in ("POST", "PUT", "PATCH"):
                answer = function[1].request(method, path, content=BODIES[body], headers=JSON)
                assert_fails(answer, 400, 401, 413, 415, 422)

    def test_answers_to_its_probes(self, function: tuple[str, httpx.Client]) -> None:
        for probe in ("/healthz", "/readyz"):
            answer = function[1].get(probe)
            assert answer.status_code == 200
            assert answer.json()["status"] == "success"

    @pytest.mark.parametrize("body", list(BODIES))
    def test_takes_a_hostile_event_for_poison(
        self, function: tuple[str, httpx.Client], body: str
    ) -> None:
        name, client = function
        if name not in CONSUMERS:
            assert_fails(client.post("/", content=b"{}", headers=EVENT | JSON), 404)
            return
        for headers in (EVENT | JSON, {"content-type": "application/cloudevents+json"}, JSON):
            answer = client.post("/", content=BODIES[body], headers=headers)
            assert answer.status_code in (204, 400), answer.text
            assert answer.content == b""
