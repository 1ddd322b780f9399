"""Client and AsyncClient send the same and come to the same, whatever is asked."""

from __future__ import annotations

import hashlib
import inspect
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from eventrain_client import AsyncClient, Client, FolderFault, LocalFault, Patience, Refused
from eventrain_client.calls import call, course

STORE = "https://store.example"
CONTENT = b"weights" * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
JOB = {"id": "j", "status": "succeeded", "jobType": "from_scratch"}
Say = Callable[..., Any]


class Plane:
    """Answers by path; keeps what it was asked. A list of answers is given one after the other."""

    def __init__(self, answers: dict[str, Any]) -> None:
        self.answers = {
            path: list(each) if isinstance(each, list) else [each] for path, each in answers.items()
        }
        self.asked: list[tuple[str, str, dict[str, str], Any]] = []
        self.tokens: set[str | None] = set()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path, query = request.url.path, dict(request.url.params)
        text = request.content
        is_json = request.headers.get("Content-Type") == "application/json"
        self.asked.append((request.method, path, query, json.loads(text) if is_json else len(text)))
        if request.url.host == "store.example":
            self.tokens.add(request.headers.get("Authorization"))
        left = self.answers[path.removeprefix("/llm-ops/v1")]
        found = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(found, Exception):
            raise found
        answer: httpx.Response = found(request) if callable(found) else found
        # One that was sent once is bound to the client that read it.
        return httpx.Response(answer.status_code, content=answer.content, headers=answer.headers)


def data(value: Any, status: int = 200, **headers: str) -> httpx.Response:
    word = "success" if status == 200 else "fail"
    envelope = {"status": word, "message": "so", "data": value}
    return httpx.Response(status, json=envelope, headers=headers)


def stored(_: httpx.Request) -> httpx.Response:
    return httpx.Response(200, content=CONTENT, headers={"ETag": '"e"'})


def paged(name: str) -> list[httpx.Response]:
    return [
        data({name: [{"id": "a"}], "nextCursor": "c"}),
        data({name: [{"id": "b"}], "nextCursor": None}),
    ]


PART = {"number": 1, "url": f"{STORE}/part"}
SOURCE = {
    "uri": "s3://b/x.tar.gz",
    "digest": "sha256:0",
    "upload": {
        "name": "x",
        "uploadId": "u",
        "partSize": 1 << 20,
        "parts": [{"partNumber": 1, "url": f"{STORE}/part"}],
        "abortUrl": f"{STORE}/abort",
    },
}
FILE: Any = {"name": "model/w.bin", "uri": "s3://b/k", "url": f"{STORE}/w", "sha256": SHA256}
BUSY = data(None, 503, **{"Retry-After": "0"})
CUT = httpx.ReadError("cut")
JOBS = "/training/jobs"
CALLS: dict[str, tuple[dict[str, Any], Say]] = {
    "a read, although it was cut": ({f"{JOBS}/j": [CUT, data(JOB)]}, lambda c, _: c.jobs.get("j")),
    "a submit, although nobody was ready": (
        {JOBS: [BUSY, data(JOB)]},
        lambda c, _: c.jobs.submit({"name": "n"}, idempotency_key="k"),
    ),
    "a list of many pages": ({JOBS: paged("jobs")}, lambda c, _: c.jobs.list(status=["failed"])),
    "a bare list of many pages": (
        {"/catalog/models": [data([{"id": 1}], **{"X-Next-Cursor": "c"}), data([{"id": 2}])]},
        lambda c, _: c.models.list(),
    ),
    "a wait": (
        {f"{JOBS}/j": [data({**JOB, "status": "running"}), CUT, data(JOB)]},
        lambda c, _: c.jobs.wait("j"),
    ),
    "all points": (
        {f"{JOBS}/j/points": paged("points")},
        lambda c, _: c.jobs.metrics("j", names=["a", "b"]),
    ),
    "a folder": (
        {
            "/training/sources": data(SOURCE),
            "/part": [CUT, stored],
            "/training/sources/complete": data({**SOURCE, "upload": None}),
            JOBS: data(JOB),
        },
        lambda c, here: c.jobs.submit_folder(here / "mine", "train.py", idempotency_key="k"),
    ),
    "a large file": (
        {
            "/catalog/models/m/uploads": data(
                {
                    "upload_id": "u",
                    "part_size": 9 << 20,
                    "parts": [{"part_number": n, "url": f"{STORE}/part"} for n in (1, 2)],
                }
            ),
            "/part": stored,
            "/catalog/models/m/uploads/complete": data({"id": "m"}),
        },
        lambda c, here: c.models.upload("m", here / "large.bin"),
    ),
    "a file that is fetched": ({"/w": stored}, lambda c, here: c.jobs.download(FILE, here / "got")),
}


async def outcome_of(client: Client | AsyncClient, ask: Say, here: Path) -> Any:
    """What it came to, or what was raised."""
    try:
        found = ask(client, here)
        if inspect.isawaitable(found):
            return await found
        if hasattr(found, "__aiter__"):
            return [each async for each in found]
        return list(found) if hasattr(found, "__next__") else found
    except Exception as error:  # noqa: BLE001 - what is raised is compared
        return type(error), str(error)


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "train.py").write_text("print()")
    (tmp_path / "large.bin").write_bytes(b"\0" * ((17 << 20) + 1))
    return tmp_path


async def awaited(_: float) -> None:
    pass


def both(plane: Callable[[], Plane]) -> tuple[tuple[Plane, Client], tuple[Plane, AsyncClient]]:
    one, other = plane(), plane()
    waiting = Client("http://there", "t", transport=httpx.MockTransport(one), sleep=lambda _: None)
    awaiting = AsyncClient("http://there", "t", transport=httpx.MockTransport(other), sleep=awaited)
    return (one, waiting), (other, awaiting)


@pytest.mark.parametrize(("answers", "ask"), CALLS.values(), ids=CALLS)
class TestBothClients:
    async def test_send_the_same_and_come_to_the_same(
        self, here: Path, answers: dict[str, Any], ask: Say
    ) -> None:
        (one, waiting), (other, awaiting) = both(lambda: Plane(answers))
        told = [await outcome_of(client, ask, here) for client in (waiting, awaiting)]
        assert told[0] == told[1]
        assert not isinstance(told[0], tuple), told[0]
        assert one.asked == other.asked
        assert one.tokens | other.tokens <= {None}

    async def test_raise_the_same_when_nobody_answers(
        self, here: Path, answers: dict[str, Any], ask: Say
    ) -> None:
        gone = dict.fromkeys(answers, httpx.ConnectError("nobody"))
        (_, waiting), (_, awaiting) = both(lambda: Plane(gone))
        told = [await outcome_of(client, ask, here) for client in (waiting, awaiting)]
        assert told[0] == told[1]
        assert told[0][0].__name__ == "Unreachable"


class TestDownload:
    def client(self, content: bytes) -> Client:
        answer = httpx.MockTransport(lambda _: httpx.Response(200, content=content))
        return Client("http://there", "t", transport=answer)

    def test_leaves_nothing_of_a_file_whose_digest_is_another(self, tmp_path: Path) -> None:
        with pytest.raises(LocalFault, match="its digest is another"):
            self.client(b"other").jobs.download(FILE, tmp_path)
        assert not [path for path in tmp_path.rglob("*") if path.is_file()]

    @pytest.mark.parametrize("name", ["../out", "/etc/passwd", "a/../../out"])
    def test_writes_nothing_outside_of_the_folder(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(LocalFault, match="outside"):
            self.client(CONTENT).jobs.download({**FILE, "name": name}, tmp_path / "here")
        assert list(tmp_path.iterdir()) == []


class TestUpload:
    def test_that_fails_is_given_up_at_the_store(self, here: Path) -> None:
        begun = {
            "upload_id": "u",
            "part_size": 9 << 20,
            "parts": [{"part_number": 1, "url": f"{STORE}/part"}],
        }
        plane = Plane(
            {
                "/catalog/models/m/uploads": data(begun),
                "/part": httpx.Response(403),
                "/catalog/models/m/uploads/abort": data(None),
            }
        )
        transport = httpx.MockTransport(plane)
        client = Client("http://there", "t", transport=transport, sleep=lambda _: None)
        with pytest.raises(Exception, match="did not take it"):
            client.models.upload("m", here / "large.bin")
        assert plane.asked[-1][1].endswith("/uploads/abort")

    def test_of_a_folder_without_that_file_sends_nothing(self, here: Path) -> None:
        plane = Plane({})
        client = Client("http://there", "t", transport=httpx.MockTransport(plane))
        with pytest.raises(FolderFault, match=r"no file run\.py"):
            client.jobs.submit_folder(here / "mine", "run.py")
        assert plane.asked == []


class TestRefused:
    def test_carries_the_code_the_fields_and_when_to_come_back(self) -> None:
        body = {"code": "RATE_LIMITED", "errors": [{"field": "a.b", "reason": "is wrong"}]}
        answer = data(body, 429, **{"Retry-After": "7", "X-Request-Id": "r"})
        transport = httpx.MockTransport(lambda _: answer)
        client = Client("http://there", "t", transport=transport, patience=Patience(tries=1))
        with pytest.raises(Refused) as caught:
            client.jobs.get("j")
        refusal = caught.value
        assert (refusal.status, refusal.code, refusal.retry_after) == (429, "RATE_LIMITED", 7.0)
        assert (refusal.fields, refusal.request_id) == ({"a.b": "is wrong"}, "r")


def test_every_method_is_written_once_and_says_how_it_is_called() -> None:
    sections = [
        name for name, each in vars(Client("http://there", "t")).items() if hasattr(each, "driver")
    ]
    assert len(sections) == 8
    for name in sections:
        kind = type(getattr(Client("http://there", "t"), name))
        methods = [each for each in vars(kind).values() if isinstance(each, call | course)]
        assert methods
        assert type(getattr(AsyncClient("http://there", "t"), name)) is kind


def test_needs_nothing_but_httpx_and_loads_it_for_no_error_alone() -> None:
    program = (
        "import sys; from eventrain_client import Refused, LocalFault\n"
        "assert 'httpx' not in sys.modules\n"
        "import eventrain_client.client\n"
        "print({'pydantic', 'boto3', 'sqlalchemy', 'fastapi', 'yaml'} & sys.modules.keys())"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ended.stdout.strip() == "set()"
