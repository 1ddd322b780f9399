import json
from base64 import b64encode
from datetime import timedelta
from pathlib import Path

import pytest

from common import settings
from common.settings import SettingsError

RING = json.dumps({"signing": "k", "keys": {"k": {"secret": b64encode(b"s" * 32).decode()}}})
FULL = {
    "ENVIRONMENT": "dev",
    "DATABASE_URL": "postgresql://u:hunter2@h/d",
    "BROKER_URL": "http://broker/",
    "PUBLIC_URL": "http://public",
    "CALLBACK_URL": "http://{function}.eventrain.svc.cluster.local",
    "S3_ENDPOINT_URL": "http://s3:9000",
    "S3_BUCKET": "bucket",
    "AWS_ACCESS_KEY_ID": "id",
    "AWS_SECRET_ACCESS_KEY": "hunter2",
    "JOB_TOKEN_KEYS": RING,
    "USER_TOKEN_KEYS": RING,
    "RECEIPT_KEYS": RING,
    "TRAINER_NAMESPACE": "trainers",
}
CONCERNS = [
    value
    for value in vars(settings).values()
    if isinstance(value, type) and settings.Concern in value.__bases__
]


class TestLoad:
    def test_gives_each_concern_in_order(self) -> None:
        broker, database = settings.load(FULL, settings.Broker, settings.Database)
        assert broker.url == "http://broker"
        assert (database.pool_size, database.pooled_by_transaction) == (4, False)

    @pytest.mark.parametrize("concern", CONCERNS)
    def test_reads_every_concern(self, concern: type[settings.Concern]) -> None:
        assert "hunter2" not in repr(concern.from_environ(FULL))

    def test_names_all_that_is_missing_at_once(self) -> None:
        with pytest.raises(SettingsError) as refused:
            settings.load({}, *CONCERNS)
        named = {problem.split()[0] for problem in refused.value.problems}
        assert named == set(FULL)

    @pytest.mark.parametrize(
        ("name", "value", "concern"),
        [
            ("ENVIRONMENT", "test", settings.Environment),
            ("DATABASE_URL", "mysql://", settings.Database),
            ("DATABASE_POOL_SIZE", "0", settings.Database),
            ("DATABASE_POOL_SIZE", "²", settings.Database),
            ("DATABASE_POOLED_BY_TRANSACTION", "perhaps", settings.Database),
            ("BROKER_URL", "broker", settings.Broker),
            ("HEARTBEAT_INTERVAL_SECONDS", "nan", settings.Timing),
            ("STALL_AFTER_SECONDS", "-1", settings.Timing),
            ("JOB_TOKEN_KEYS", "{}", settings.JobKeys),
        ],
    )
    def test_names_what_is_not_usable(
        self, name: str, value: str, concern: type[settings.Concern]
    ) -> None:
        with pytest.raises(SettingsError, match=f"^{name} ") as refused:
            concern.from_environ(FULL | {name: value})
        assert len(refused.value.problems) == 1

    def test_does_not_print_a_bad_secret(self) -> None:
        with pytest.raises(SettingsError) as refused:
            settings.Database.from_environ({"DATABASE_URL": "hunter2"})
        assert "hunter2" not in str(refused.value)


class TestDefaults:
    def test_reach_s3_publicly_as_we_do(self) -> None:
        storage = settings.Storage.from_environ(FULL)
        assert storage.public_endpoint_url == "http://s3:9000"

    def test_beat_every_ten_seconds(self) -> None:
        timing = settings.Timing.from_environ({"HEARTBEAT_INTERVAL_SECONDS": ""})
        assert timing.heartbeat_interval == timedelta(seconds=10)

    def test_speak_as_the_service_account(self) -> None:
        assert settings.Cluster.from_environ(FULL).kubeconfig is None
        local = settings.Cluster.from_environ(FULL | {"KUBECONFIG": "/k"})
        assert local.kubeconfig == Path("/k")

    def test_track_nowhere(self) -> None:
        assert settings.Tracking.from_environ({}).url is None


class TestCallbacks:
    def test_name_the_function_where_the_address_does(self) -> None:
        callbacks = settings.Callbacks.from_environ(FULL)
        assert callbacks.url("heartbeat") == "http://heartbeat.eventrain.svc.cluster.local"
        assert settings.Callbacks("http://gateway").url("done") == "http://gateway"
