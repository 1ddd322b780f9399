from pathlib import Path
from typing import Any

import pytest

from infra.local import service
from infra.local.problem import ManifestProblem
from infra.local.service import FunctionPlan, Values


def manifest(container: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "submit-job", "namespace": "eventrain"},
        "spec": {"template": {"spec": {"containers": [container], **spec}}},
    }


@pytest.fixture
def values(tmp_path: Path) -> Values:
    return Values(
        config_maps={"eventrain": {"LOG_LEVEL": "INFO"}},
        secrets={"eventrain-postgres": {"url": "postgresql://x"}},
        folders={"eventrain-config": tmp_path / "config"},
    )


def plan(found: dict[str, Any], values: Values, tmp_path: Path) -> FunctionPlan:
    return service.plan(found, values, tmp_path / "submit-job")


def reference(kind: str, name: str, key: str, **more: Any) -> dict[str, Any]:
    return {"name": "VALUE", "valueFrom": {kind: {"name": name, "key": key, **more}}}


class TestPlan:
    def test_values_come_from_config_maps_and_secrets(self, values: Values, tmp_path: Path) -> None:
        environment = [
            {"name": "FUNCTION_TARGET", "value": "submit_job"},
            reference("secretKeyRef", "eventrain-postgres", "url"),
        ]
        found = plan(manifest({"env": environment}), values, tmp_path)
        assert found.environment["FUNCTION_TARGET"] == "submit_job"
        assert found.environment["VALUE"] == "postgresql://x"

    @pytest.mark.parametrize(
        "wrong",
        [
            reference("secretKeyRef", "eventrain-postgres", "password"),
            reference("configMapKeyRef", "other", "LOG_LEVEL"),
            reference("fieldRef", "x", "y"),
        ],
    )
    def test_a_reference_to_nothing_names_the_function(
        self, wrong: dict[str, Any], values: Values, tmp_path: Path
    ) -> None:
        with pytest.raises(ManifestProblem, match="Service submit-job"):
            plan(manifest({"env": [wrong]}), values, tmp_path)

    def test_an_optional_reference_to_nothing_sets_nothing(
        self, values: Values, tmp_path: Path
    ) -> None:
        optional = reference("configMapKeyRef", "eventrain", "MLFLOW_TRACKING_URI", optional=True)
        assert "VALUE" not in plan(manifest({"env": [optional]}), values, tmp_path).environment

    def test_every_mount_path_is_rewritten_to_its_folder(
        self, values: Values, tmp_path: Path
    ) -> None:
        container = {
            "command": ["python", "-m", "x", "/tmp/a"],
            "env": [
                {"name": "CONFIG_DIR", "value": "/etc/eventrain"},
                {"name": "KEY", "value": "/keys/url"},
                {"name": "ELSEWHERE", "value": "/etc/eventrain-other"},
            ],
            "volumeMounts": [
                {"name": "config", "mountPath": "/etc/eventrain"},
                {"name": "tmp", "mountPath": "/tmp"},
                {"name": "keys", "mountPath": "/keys"},
            ],
        }
        volumes = [
            {"name": "config", "configMap": {"name": "eventrain-config"}},
            {"name": "tmp", "emptyDir": {}},
            {"name": "keys", "secret": {"secretName": "eventrain-postgres"}},
        ]
        found = plan(manifest(container, volumes=volumes), values, tmp_path)
        assert found.environment["CONFIG_DIR"] == str(tmp_path / "config")
        assert Path(found.environment["KEY"]).read_text() == "postgresql://x"
        assert found.environment["ELSEWHERE"] == "/etc/eventrain-other"
        assert Path(found.argv[3]).parent.is_dir()

    def test_nothing_of_our_own_environment_gets_in(
        self, values: Values, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DATABASE_URL", "postgresql://mine")
        assert "DATABASE_URL" not in plan(manifest({}), values, tmp_path).environment

    def test_only_who_mounts_a_service_account_token_may_speak_to_the_cluster(
        self, values: Values, tmp_path: Path
    ) -> None:
        named = {"serviceAccountName": "submit-job"}
        without = manifest({}, **named, automountServiceAccountToken=False)
        with_token = manifest({}, **named, automountServiceAccountToken=True)
        assert not plan(without, values, tmp_path).cluster_access
        assert plan(with_token, values, tmp_path).cluster_access

    def test_a_secret_is_not_printed(self, values: Values, tmp_path: Path) -> None:
        env = [reference("secretKeyRef", "eventrain-postgres", "url")]
        assert "postgresql://x" not in repr(plan(manifest({"env": env}), values, tmp_path))
