"""Starts functions as production does, with two functions made for the purpose."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parents[3]
START = """
import os, functions
functions.__path__.append(os.environ["EXTRA_FUNCTIONS"])
from common.serve import main
main(os.environ)
"""
COOL = """
import asyncio
from contextlib import asynccontextmanager
from common import web
from common.settings import Broker, Database, load

def create_app(environ):
    if "LAX" not in environ:
        load(environ, Database, Broker)
    @asynccontextmanager
    async def lifespan():
        print("opened", flush=True)
        yield {"open": True}
        print("closed", flush=True)
    async def ready(deps):
        return deps["open"]
    router = web.router()
    @router.get("/slow")
    async def slow(deps: web.Deps):
        print("working", flush=True)
        await asyncio.sleep(0.7)
        return web.ok(deps)
    @router.get("/crash")
    async def crash():
        raise RuntimeError("secret")
    return web.build_app(title="cool", lifespan=lifespan, ready=ready, routers=[router])
"""
WARM = """
import sys
from contextlib import asynccontextmanager
from common import asgi

def create_app(environ):
    @asynccontextmanager
    async def lifespan():
        yield None
    async def ready(state):
        return True
    async def modules(request):
        return sorted({name.partition(".")[0] for name in sys.modules})
    return asgi.App([asgi.Route("GET", "/modules", modules)],
                    lifespan=lifespan, ready=ready, openapi=lambda: {})
"""
REFUSED = [
    ("GET", "/robots.txt", 404),
    ("GET", "/favicon.ico", 404),
    ("TRACE", "/slow", 405),
    ("PROPFIND", "/nowhere", 404),
    ("POST", "/slow", 405),
    ("GET", "/crash", 500),
    ("POST", "/", 404),
]

Start = Callable[..., tuple[subprocess.Popen[str], str]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    running: list[subprocess.Popen[str]] = []
    for name, source in {"cool": COOL, "warm": WARM}.items():
        folder = tmp_path / name
        folder.mkdir()
        (folder / "__init__.py").touch()
        (folder / "app.py").write_text(source)

    def begin(target: str, **more: str) -> tuple[subprocess.Popen[str], str]:
        port = free_port()
        environ = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "EXTRA_FUNCTIONS": str(tmp_path),
            "FUNCTION_TARGET": target,
            "PORT": str(port),
            "BIND_ADDRESS": "127.0.0.1",
            **more,
        }
        process = subprocess.Popen(
            [sys.executable, "-c", START],
            env=environ,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        running.append(process)
        return process, f"http://127.0.0.1:{port}"

    yield begin
    for process in running:
        process.kill()
        process.communicate()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait(address: str) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            httpx.get(f"{address}/readyz").raise_for_status()
        except httpx.HTTPError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("it never became ready")


class TestAFunction:
    def test_opens_and_closes_what_it_needs_and_finishes_what_it_began(self, start: Start) -> None:
        process, address = start("cool", LAX="1")
        wait(address)
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(httpx.get, f"{address}/slow")
            assert process.stdout
            assert [process.stdout.readline().strip() for _ in range(2)] == ["opened", "working"]
            process.send_signal(signal.SIGTERM)
            assert answer.result().json()["data"] == {"open": True}
        output, _ = process.communicate(timeout=10)
        assert output.splitlines() == ["closed"]
        assert process.returncode == 0

    def test_refuses_in_the_envelope_whatever_is_sent(self, start: Start) -> None:
        _, address = start("cool", LAX="1")
        wait(address)
        for method, path, status in REFUSED:
            answer = httpx.request(method, address + path)
            assert (answer.status_code, answer.json()["status"]) == (status, "fail"), (method, path)
        assert httpx.request("TRACE", f"{address}/slow").headers["allow"] == "GET, HEAD"
        assert httpx.head(f"{address}/slow").content == b""

    def test_names_all_settings_that_are_missing_and_exits_78(self, start: Start) -> None:
        process, _ = start("cool")
        _, complaint = process.communicate(timeout=20)
        assert process.returncode == 78
        assert complaint == "cool: DATABASE_URL is not set; BROKER_URL is not set\n"

    def test_that_does_not_exist_is_named(self, start: Start) -> None:
        process, _ = start("lukewarm")
        _, complaint = process.communicate(timeout=20)
        assert (process.returncode, complaint) == (
            78,
            "lukewarm: there is no function 'lukewarm'\n",
        )


class TestAHotFunction:
    def test_imports_nothing_heavy(self, start: Start) -> None:
        process, address = start("warm")
        wait(address)
        loaded = set(httpx.get(f"{address}/modules").json()["data"])
        heavy = {
            "boto3", "botocore", "cloudevents", "cryptography", "fastapi", "flask",
            "functions_framework", "httpx", "jwt", "kubernetes", "mlflow", "pydantic",
            "sqlalchemy", "sqlmodel", "starlette", "yaml",
        }  # fmt: skip
        assert not loaded & heavy
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
