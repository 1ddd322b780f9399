"""What an environment offers, over HTTP."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from functions.gpu_types.app import create_app
from tests.catalogue import bearer, caller
from tests.jobs import PROJECT

PATH = "/llm-ops/v1/training/gpu-types"
FRAMEWORKS = "/llm-ops/v1/training/frameworks"
FILES = ("gpu-types.yaml", "trainers.yaml", "frameworks.json")


@pytest.fixture
def folder(environ: dict[str, str], tmp_path: Path) -> Path:
    """A copy of the configuration that a test may change."""
    for name in FILES:
        (tmp_path / name).write_bytes((Path(environ["CONFIG_DIR"]) / name).read_bytes())
    return tmp_path


@pytest_asyncio.fixture
async def client(environ: dict[str, str], folder: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with caller(create_app(environ | {"CONFIG_DIR": str(folder)})) as opened:
        yield opened


async def listed(client: httpx.AsyncClient, **params: str) -> list[str]:
    answer = await client.get(PATH, params=params)
    assert answer.status_code == 200
    return [each["id"] for each in answer.json()["data"]["gpuTypes"]]


class TestGpuTypes:
    async def test_are_those_of_the_running_environment(self, client: httpx.AsyncClient) -> None:
        answer = (await client.get(PATH)).json()["data"]
        assert answer == {
            "gpuTypes": [
                {"id": "nvidia-t4", "label": "NVIDIA T4 16 GB", "enabled": True, "priority": 10},
                {
                    "id": "nvidia-a100-80gb",
                    "label": "NVIDIA A100 80 GB",
                    "enabled": False,
                    "priority": 20,
                },
            ]
        }

    async def test_are_those_of_the_named_one(self, client: httpx.AsyncClient) -> None:
        assert await listed(client, env="prod") == ["nvidia-h100-80gb", "nvidia-a100-80gb"]

    @pytest.mark.parametrize("env", ["moon", ""])
    async def test_an_unknown_environment_cannot_be_read(
        self, client: httpx.AsyncClient, env: str
    ) -> None:
        answer = await client.get(PATH, params={"env": env})
        assert (answer.status_code, answer.json()["status"]) == (400, "fail")

    async def test_a_change_of_the_file_is_seen_within_seconds(
        self, client: httpx.AsyncClient, folder: Path
    ) -> None:
        assert "nvidia-l4" not in await listed(client)
        file = folder / "gpu-types.yaml"
        file.write_text(file.read_text().replace("id: nvidia-t4", "id: nvidia-l4"))
        for _ in range(30):
            if "nvidia-l4" in await listed(client):
                return
            await _a_moment()
        pytest.fail("the file was not read again")

    async def test_a_token_is_needed(self, client: httpx.AsyncClient) -> None:
        answer = await client.get(PATH, headers={"authorization": ""})
        assert answer.status_code == 401

    async def test_a_viewer_may_see_them(self, client: httpx.AsyncClient) -> None:
        answer = await client.get(PATH, headers=bearer({PROJECT: "viewer"}))
        assert answer.status_code == 200


class TestFrameworks:
    async def test_say_what_a_form_needs_the_default_one_first(
        self, client: httpx.AsyncClient
    ) -> None:
        answer = (await client.get(FRAMEWORKS)).json()["data"]["frameworks"]
        first, *others = answer
        assert (first["name"], first["title"]) == ("sklearn", "scikit-learn")
        assert first["isDefault"]
        assert first["defaults"]["epochs"] == first["parameters"]["properties"]["epochs"]["default"]
        assert not any(other["isDefault"] for other in others)
        names = [other["name"] for other in others]
        assert names == ["lightning", "pytorch", "timm", "transformers", "ultralytics"]

    async def test_are_offered_with_a_gpu_where_the_environment_has_one(
        self, client: httpx.AsyncClient, folder: Path
    ) -> None:
        assert all(each["gpu"] for each in await told(client, env="prod"))
        file = folder / "gpu-types.yaml"
        file.write_text(file.read_text().replace("enabled: true", "enabled: false"))
        for _ in range(30):
            if not any(each["gpu"] for each in await told(client)):
                return
            await _a_moment()
        pytest.fail("the file was not read again")

    async def test_one_without_a_manifest_is_offered_under_its_name(
        self, client: httpx.AsyncClient, folder: Path
    ) -> None:
        (folder / "frameworks.json").write_text("{}")
        for _ in range(30):
            found = (await told(client))[0]
            if not found["parameters"]:
                assert found["title"] == "sklearn"
                assert found["jobTypes"]
                return
            await _a_moment()
        pytest.fail("the file was not read again")

    async def test_an_unknown_environment_cannot_be_read(self, client: httpx.AsyncClient) -> None:
        answer = await client.get(FRAMEWORKS, params={"env": "moon"})
        assert answer.status_code == 400


async def told(client: httpx.AsyncClient, **params: str) -> list[dict[str, Any]]:
    answer = await client.get(FRAMEWORKS, params=params)
    assert answer.status_code == 200
    return answer.json()["data"]["frameworks"]


async def _a_moment() -> None:
    import asyncio

    await asyncio.sleep(0.1)
