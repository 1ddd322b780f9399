"""The suite for a cluster, pointed at the local stack: it knows an address and a KUBECONFIG."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping

import pytest

from tests.functional.stack import Up
from tests.postgres_server import CLONE

CHOSEN = "trains_a_model or cancels or lets_a_viewer"


def run_suite(environ: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    unnamed = {name: value for name, value in os.environ.items() if "EVENTRAIN" not in name}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "tests/cluster", *arguments],
        cwd=CLONE,
        env={**unnamed, **environ},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.timeout(300)
def test_the_journeys_are_the_same_where_only_an_address_is_known(up: Up) -> None:
    client = json.loads((up.home / "client.json").read_text())
    secrets = json.loads((up.home / "secrets.json").read_text())
    named = {
        "EVENTRAIN_CLUSTER_ADDRESS": client["address"],
        "EVENTRAIN_USER_KEYS": secrets["user_token_keys"],
        "KUBECONFIG": str(up.home / "kubeconfig.yaml"),
    }
    ended = run_suite(named, "-k", CHOSEN)
    assert ended.returncode == 0, ended.stdout
    assert "3 passed" in ended.stdout


def test_a_clear_word_is_said_where_no_cluster_is_named() -> None:
    ended = run_suite({"KUBECONFIG": "/somebody/elses"}, "-k", CHOSEN)
    assert ended.returncode == 0
    assert "No cluster is named" in ended.stdout


def test_half_a_name_is_a_mistake() -> None:
    ended = run_suite({"EVENTRAIN_CLUSTER_ADDRESS": "http://127.0.0.1:9", "KUBECONFIG": ""})
    assert ended.returncode == 1
    assert "KUBECONFIG" in ended.stdout
