import json

import pytest
from eventrain_trainer.settings import Settings, SettingsError, TrainerConfig, in_a_job, rank

COMPLETE = {
    "JOB_ID": "j",
    "ATTEMPT": "2",
    "HEARTBEAT_URL": "http://h",
    "EVENT_URL": "http://e",
    "DONE_URL": "http://d",
    "ADDRESSES_URL": "http://a",
    "CALLBACK_TOKEN": "secret-token",
    "RESULT_PUT_URL": "http://s3/signed-secret",
}


class TestSettings:
    def test_names_everything_that_is_missing(self) -> None:
        with pytest.raises(SettingsError) as caught:
            Settings.from_environ({"JOB_ID": "j", "HEARTBEAT_INTERVAL_SECONDS": "often"})

        for name in ("ATTEMPT", "EVENT_URL", "DONE_URL", "HEARTBEAT_INTERVAL_SECONDS"):
            assert name in str(caught.value)

    def test_prints_no_secret(self) -> None:
        assert "secret" not in repr(Settings.from_environ(COMPLETE))

    def test_reads_the_checkpoint_of_an_earlier_attempt(self) -> None:
        checkpoint = {"uri": "s3://b/c", "sha256": "ab", "size": 3, "step": None, "epoch": 4}
        config = json.dumps({"checkpoint": checkpoint, "hyperparameters": {"lr": 1}})
        found = Settings.from_environ({**COMPLETE, "TRAINER_CONFIG": config}).config

        assert found.checkpoint is not None
        assert found.checkpoint.epoch == 4
        assert found.hyperparameters == {"lr": 1}

    @pytest.mark.parametrize("text", ["{", "[]", "7"])
    def test_refuses_a_configuration_that_is_none(self, text: str) -> None:
        with pytest.raises(SettingsError):
            TrainerConfig.from_json(text)

    def test_takes_the_hyperparameters_of_a_train_job_spec_where_no_others_are_given(self) -> None:
        spec = {"hyperparams": {"lr": 0.1, "num_epochs": 3}}
        text = json.dumps({"trainJobSpec": spec, "hyperparameters": {"lr": 0.2}})

        assert TrainerConfig.from_json(text).hyperparameters == {"lr": 0.2, "num_epochs": 3}

    def test_a_checkpoint_without_a_digest_is_none(self) -> None:
        assert TrainerConfig.from_json('{"checkpoint": {"uri": "s3://b/c"}}').checkpoint is None


@pytest.mark.parametrize(
    ("environ", "expected"),
    [({}, 0), ({"RANK": "3"}, 3), ({"LOCAL_RANK": "1"}, 1), ({"RANK": "0", "LOCAL_RANK": "1"}, 0)],
)
def test_the_rank_comes_from_the_launcher(environ: dict[str, str], expected: int) -> None:
    assert rank(environ) == expected


def test_a_laptop_is_no_job() -> None:
    assert not in_a_job({})
    assert in_a_job(COMPLETE)
