"""The environment that functions find in these tests."""

from pathlib import Path

import pytest

from tests.keys import ring_json
from tests.postgres_server import CLONE, Database


@pytest.fixture
def environ(database: Database) -> dict[str, str]:
    """All that any function reads; the broker is an address where nobody listens."""
    config: Path = CLONE / "infra" / "base" / "config"
    return {
        "ENVIRONMENT": "dev",
        "DATABASE_URL": database.url,
        "BROKER_URL": "http://127.0.0.1:9/broker",
        "PUBLIC_URL": "http://eventrain.test",
        "CALLBACK_URL": "http://eventrain.test",
        "S3_ENDPOINT_URL": "http://127.0.0.1:9",
        "S3_BUCKET": "eventrain",
        "AWS_ACCESS_KEY_ID": "id",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "JOB_TOKEN_KEYS": ring_json(),
        "USER_TOKEN_KEYS": ring_json(),
        "CONFIG_DIR": str(config),
        "TRAINER_NAMESPACE": "eventrain-trainers",
    }
