"""Who may do what, and see what."""

import json
from uuid import uuid4

import httpx
import pytest

from tests.functional.user import User
from tests.functional.world import World


class TestAuthority:
    def test_lets_nobody_in_without_a_token(self, user: User) -> None:
        answer = httpx.get(f"{user.http.base_url}/llm-ops/v1/training/jobs")
        assert answer.status_code == 401
        assert answer.json()["status"] == "fail"

    def test_lets_a_viewer_look_but_not_submit(self, user: User, world: World) -> None:
        viewer = world.person("viewer")
        assert viewer.ask("GET", "/training/jobs").status_code == 200
        assert viewer.ask("POST", "/training/jobs", json=user.request()).status_code == 403

    @pytest.mark.parametrize(
        ("method", "below"),
        [
            ("GET", ""),
            ("GET", "/timeline"),
            ("GET", "/attempts"),
            ("GET", "/points"),
            ("GET", "/logs"),
            ("GET", "/checkpoints"),
            ("GET", "/artifacts"),
            ("DELETE", ""),
            ("POST", "/cancel"),
            ("POST", "/resubmit"),
            ("POST", "/register-model"),
            ("POST", "/metrics"),
        ],
    )
    def test_hides_another_projects_job(
        self, user: User, world: World, method: str, below: str
    ) -> None:
        job_id = user.submit(hyperparameters={"epochs": 1})["id"]
        stranger = world.person("admin", str(uuid4()))
        bodies = {
            "/resubmit": {"resourceProfile": user.request()["resourceProfile"]},
            "/register-model": {"modelName": "m", "modelVersion": "1"},
            "/metrics": {"name": "m", "value": 1},
        }

        answer = stranger.ask(
            method,
            f"/training/jobs/{job_id}{below}",
            json=bodies.get(below),
        )

        assert answer.status_code == 404, answer.text
        assert json.loads(answer.content)["data"]["code"] == "NOT_FOUND"
