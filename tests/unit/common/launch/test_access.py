from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
import yaml

from common.launch import access
from common.launch.access import Access, Bearer
from common.launch.cluster import Refused
from common.settings import SettingsError

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(**user: object) -> Path:
        path = tmp_path / "config"
        config = {
            "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
            "clusters": [{"name": "k", "cluster": {"server": "http://127.0.0.1:6443/"}}],
            "users": [{"name": "u", "user": user}],
        }
        path.write_text(yaml.safe_dump(config))
        return path

    return write


def header_of(found: Access) -> str | None:
    request = httpx.Request("GET", "http://x")
    next(Bearer(found).auth_flow(request))
    return request.headers.get("authorization")


class TestKubeconfig:
    def test_says_where_the_cluster_is_and_who_we_are(self, write: Write):
        found = access.load(write(token="secret"), {})
        assert found.server == "http://127.0.0.1:6443"
        assert header_of(found) == "Bearer secret"

    def test_may_name_a_file_with_the_token(self, write: Write):
        path = write(tokenFile="token")
        (path.parent / "token").write_text("from-a-file\n")
        assert header_of(access.load(path, {})) == "Bearer from-a-file"

    def test_runs_no_program_to_log_in(self, write: Write):
        with pytest.raises(SettingsError, match="login program"):
            access.load(write(exec={"command": "aws"}), {})

    def test_is_told_by_name_where_it_cannot_be_used(self, tmp_path: Path):
        (tmp_path / "broken").write_text("contexts: 3")
        for path in (tmp_path / "broken", tmp_path / "missing"):
            with pytest.raises(SettingsError, match="KUBECONFIG"):
                access.load(path, {})


class TestServiceAccount:
    def test_is_missing_outside_a_cluster(self):
        with pytest.raises(SettingsError, match="KUBECONFIG is not set"):
            access.load(None, {})

    def test_token_is_read_again_when_it_is_renewed(self, tmp_path: Path):
        clock = [0.0]
        token = tmp_path / "token"
        token.write_text("old")
        bearer = Bearer(Access("https://x", token_file=token), lambda: clock[0])
        seen: list[str] = []
        for clock[0] in (0, 30, 61):
            request = httpx.Request("GET", "http://x")
            next(bearer.auth_flow(request))
            seen.append(request.headers["authorization"])
            token.write_text("new")
        assert seen == ["Bearer old", "Bearer old", "Bearer new"]


class TestRefusals:
    @pytest.mark.parametrize(
        ("status", "message", "passes"),
        [
            (None, "no answer", True),
            (401, "", True),
            (408, "", True),
            (409, "", True),
            (429, "", True),
            (500, "", True),
            (503, "", True),
            (403, 'jobs "x" is forbidden: exceeded quota: gpus', True),
            (403, "forbidden", False),
            (400, "", False),
            (404, "", False),
            (422, "", False),
        ],
    )
    def test_pass_or_stay(self, status: int | None, message: str, passes: bool):
        assert Refused(status, message).passes == passes
