from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.storage import address
from common.storage.address import Address, BadAddress

JOB = "5b0f3b43-8c26-4b2d-9f0c-9d2a6f1d1c11"


class TestSanitise:
    @pytest.mark.parametrize(
        ("name", "part"),
        [
            ("My Model", "my-model"),
            ("a/b\\c", "a-b-c"),
            ("v1.0.2", "v1.0.2"),
            ("--x--", "x"),
            ("../..", "unnamed"),
            ("Ünïcode", "n-code"),
            ("", "unnamed"),
            ("日本", "unnamed"),
        ],
    )
    def test_makes_lower_case_with_hyphens(self, name: str, part: str) -> None:
        assert address.sanitise(name) == part

    @given(st.text())
    def test_always_makes_one_clean_part_that_stays_as_it_is(self, name: str) -> None:
        part = address.sanitise(name)
        assert "/" not in address.check_key(part)
        assert address.sanitise(part) == part


class TestParse:
    @pytest.mark.parametrize(
        ("uri", "found"),
        [
            ("s3://bucket/a/b.txt", Address("bucket", "a/b.txt")),
            ("s3://bucket/a/", Address("bucket", "a/")),
            ("s3://bucket/", Address("bucket", "")),
            ("s3://bucket", Address("bucket", "")),
        ],
    )
    def test_reads_bucket_and_key(self, uri: str, found: Address) -> None:
        assert address.parse(uri) == found

    @pytest.mark.parametrize(
        "uri",
        [
            "", "http://bucket/a", "S3://bucket/a", "s3://", "s3:///a", "s3://Bucket/a",
            "s3://b..d/a", "s3://bucket//a", "s3://bucket/a//b", "s3://bucket/a//",
            "s3://bucket/../a", "s3://bucket/a/..", "s3://bucket/./a", "s3://bucket/a\0",
            "s3://bucket/a\nb", "s3://bucket/a\\b", "s3://bucket/\ud800", "s3://bucket//",
            "s3://bucket/" + "a" * 1025, "s3://user:secret@bucket/a", "s3://bucket/\u202egpj",
        ],
    )  # fmt: skip
    def test_refuses_what_could_mean_two_things(self, uri: str) -> None:
        with pytest.raises(BadAddress):
            address.parse(uri)

    @given(st.text())
    def test_reads_back_what_it_wrote_or_refuses(self, key: str) -> None:
        try:
            found = address.parse(f"s3://bucket/{key}")
        except BadAddress:
            return
        assert address.parse(str(found)) == found == Address("bucket", key)


class TestWithin:
    @pytest.mark.parametrize(
        ("prefix", "key", "inside"),
        [
            ("jobs/1/1/", "jobs/1/1/a", True),
            ("jobs/1/1", "jobs/1/1/a", True),
            ("jobs/1/1", "jobs/1/10/a", False),
            ("jobs/1/1/", "jobs/1/1", False),
            ("jobs/1/1/", "jobs/1/2/a", False),
        ],
    )
    def test_takes_a_prefix_for_a_folder(self, prefix: str, key: str, inside: bool) -> None:
        assert address.within(prefix, key) is inside


class TestKeys:
    def test_of_an_attempt_lie_below_its_prefix(self) -> None:
        prefix = address.attempt_prefix(JOB, 2)
        assert prefix == f"jobs/{JOB}/2/"
        for key in (
            address.artifact_key(JOB, 2, "model/model.joblib"),
            address.checkpoint_key(JOB, 2, "epoch-3.ckpt"),
            address.result_key(JOB, 2),
            address.pod_log_key(JOB, 2),
        ):
            assert address.within(prefix, key)

    @pytest.mark.parametrize("name", ["", "/", "../x", "a/../b", "a//b", "/a", "a/", "x" * 513])
    def test_refuse_a_name_that_climbs_out(self, name: str) -> None:
        with pytest.raises(BadAddress):
            address.artifact_key(JOB, 2, name)

    def test_of_a_model_are_sanitised(self) -> None:
        uri = address.model_uri("bucket", "My Model", "V 1")
        assert uri == "s3://bucket/models/my-model/v-1/"

    def test_of_a_dead_letter_are_by_day(self) -> None:
        key = address.dead_letter_key(date(2026, 1, 2), "job/1")
        assert key == "dead-letters/2026-01-02/job-1.json"
