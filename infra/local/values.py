"""The ConfigMaps and Secrets of the local stack: the names are a cluster's, the values its own."""

import json
from collections.abc import Mapping
from pathlib import Path

from infra.local import manifests
from infra.local.credential import Credentials
from infra.local.home import Home
from infra.local.service import Values
from infra.local.settings import StackSettings

CONFIG_MAP, CONFIG_FILES = "eventrain", "eventrain-config"
# Here a job lasts seconds, so what a cluster spaces out is told at once.
PACE = {"HEARTBEAT_INTERVAL_SECONDS": "1", "TRAINING_JOB_STATUS_SYNC_INTERVAL": "2"}


def config_map(
    settings: StackSettings, *, gateway: str, broker: str, s3: str, mlflow: str | None = None
) -> dict[str, str]:
    return {
        **_shipped(settings.clone),
        **PACE,
        "PUBLIC_URL": gateway,
        "CALLBACK_URL": gateway,
        "BROKER_URL": broker,
        "S3_ENDPOINT_URL": s3,
        "S3_PUBLIC_ENDPOINT_URL": s3,
        **({"MLFLOW_TRACKING_URI": mlflow} if mlflow else {}),
        **settings.configuration,
    }


def bucket(settings: StackSettings) -> str:
    return {**_shipped(settings.clone), **settings.configuration}.get("S3_BUCKET", "eventrain")


def collect(
    configuration: Mapping[str, str],
    credentials: Credentials,
    *,
    database_url: str,
    config_folder: Path,
) -> Values:
    return Values(
        config_maps={CONFIG_MAP: configuration},
        secrets={
            "eventrain-postgres": {"url": database_url},
            "eventrain-s3": {
                "access-key-id": credentials.s3_access_key_id,
                "secret-access-key": credentials.s3_secret_access_key,
            },
            "eventrain-job-token-keys": {"keys.json": credentials.job_token_keys},
            "eventrain-receipt-keys": {"keys.json": credentials.receipt_keys},
            "eventrain-user-token-keys": {"keys.json": credentials.user_token_keys},
        },
        folders={CONFIG_FILES: config_folder},
    )


def copy_config_files(clone: Path, home: Home) -> Path:
    """Ours to read, the user's to edit: a file that was edited is never overwritten."""
    edited, shipped = home.folder_of("config"), home.folder_of("config.shipped")
    for source in sorted((clone / "infra/base/config").iterdir()):
        theirs, before = edited / source.name, shipped / source.name
        text = source.read_text() + (_cache(home) if source.name == "trainers.yaml" else "")
        if not theirs.exists() or _same(theirs, before):
            theirs.write_text(text)
        before.write_text(text)
    return edited


def _cache(home: Home) -> str:
    """Here there is one node, whose jobs may share what they fetch."""
    return f"\ncache:\n  hostPath: {json.dumps(str(home.folder_of('cache')))}\n  size: 20Gi\n"


def _shipped(clone: Path) -> dict[str, str]:
    return manifests.env_file(clone / "infra/base/eventrain.env")


def _same(one: Path, other: Path) -> bool:
    return other.exists() and one.read_bytes() == other.read_bytes()
