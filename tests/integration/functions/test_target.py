"""Every function is a target of the functions framework, though we serve it without."""

import json
import os
import subprocess
import sys
from pathlib import Path

import httpx

from infra.local.cluster.kubeconfig import write_kubeconfig
from tests.integration.functions.conftest import environ_of
from tests.postgres_server import CLONE, Database
from tests.processes import free_port, wait_until_ready

ASK = """
import asyncio, json, os, sys
import httpx
from functions_framework.aio import create_asgi_app

async def ask(source):
    app = create_asgi_app("main", source)
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://function") as client:
        alive, nowhere = await client.get("/healthz"), await client.get("/nowhere")
    return [alive.status_code, alive.json()["status"], nowhere.status_code, nowhere.json()["status"]]

print(json.dumps({source: asyncio.run(ask(source)) for source in sys.argv[1:]}))
"""


def test_every_function_is_a_target_of_the_framework(
    environ: dict[str, str], tmp_path: Path
) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(write_kubeconfig("http://127.0.0.1:9", "token", "trainers"))
    environ["KUBECONFIG"] = str(kubeconfig)
    sources = sorted(str(each) for each in (CLONE / "functions").glob("*/app.py"))
    run = subprocess.run(
        [sys.executable, "-c", ASK, *sources],
        env={"PATH": os.environ["PATH"], **environ},
        cwd=CLONE,
        stdout=subprocess.PIPE,
        check=True,
    )
    answers = json.loads(run.stdout.splitlines()[-1])
    assert answers == {source: [200, "success", 404, "fail"] for source in sources}


def test_a_function_runs_by_the_framework_s_own_command(database: Database, tmp_path: Path) -> None:
    """In a home of its own: gunicorn keeps a socket there."""
    port = free_port()
    options = ["--asgi", "--source", "functions/gpu_types/app.py", "--target", "main"]
    listen = ["--host", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen(
        [sys.executable, "-m", "functions_framework", *options, *listen],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(CLONE),
            "HOME": str(tmp_path),
            **environ_of(database.url),
        },
        cwd=CLONE,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        wait_until_ready(f"{address}/readyz", process)
        answer = httpx.get(f"{address}/llm-ops/v1/training/gpu-types")
        assert (answer.status_code, answer.json()["status"]) == (401, "fail")
    finally:
        process.terminate()
        process.wait(15)
