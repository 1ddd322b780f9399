from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from infra.cli.errors import UsageFault
from infra.cli.job_file import read_request


@pytest.fixture
def job(tmp_path: Path) -> Any:
    def write(text: str, *settings: str) -> Any:
        file = tmp_path / "job.yaml"
        file.write_text(text)
        return read_request(str(file), settings)

    return write


class TestReadRequest:
    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("1e-3", 0.001),
            ("5", 5),
            ("0.5", 0.5),
            ("true", True),
            ("null", None),
            ("no", "no"),
            ("2026-01-01", "2026-01-01"),
            ("1:30", "1:30"),
            ("010", "010"),
            ("'5'", "5"),
            ("[1, two]", [1, "two"]),
        ],
    )
    def test_takes_a_value_as_json_would(self, job: Any, text: str, value: object) -> None:
        assert job(f"value: {text}") == {"value": value}

    def test_reads_json(self, job: Any) -> None:
        assert job('{"a": {"b": [1, 2.5e3, null]}}') == {"a": {"b": [1, 2500.0, None]}}

    def test_reads_standard_input(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sys.stdin", io.StringIO("jobType: pretrain"))
        assert read_request("-", []) == {"jobType": "pretrain"}

    def test_says_where_it_cannot_be_read(self, job: Any) -> None:
        with pytest.raises(UsageFault, match="line 3, column 1"):
            job("a: 1\nb: [1, 2\n")

    def test_says_which_file_is_missing(self) -> None:
        with pytest.raises(UsageFault, match=r"nowhere\.yaml cannot be read: No such file"):
            read_request("nowhere.yaml", [])

    @pytest.mark.parametrize("text", ["", "just words", "- a\n- b"])
    def test_refuses_what_is_no_object(self, job: Any, text: str) -> None:
        with pytest.raises(UsageFault, match="does not hold a job request"):
            job(text)


class TestSet:
    def test_goes_deeper_at_each_dot(self, job: Any) -> None:
        assert job("a: {b: 1}", "a.c=2", "d.e.f=x=y") == {
            "a": {"b": 1, "c": 2},
            "d": {"e": {"f": "x=y"}},
        }

    @pytest.mark.parametrize("setting", ["a", "=1", "a..b=1", ".a=1"])
    def test_refuses_what_names_no_key(self, job: Any, setting: str) -> None:
        with pytest.raises(UsageFault, match="cannot be read"):
            job("a: {}", setting)

    def test_goes_into_no_single_value(self, job: Any) -> None:
        with pytest.raises(UsageFault, match="a is a single value"):
            job("a: 1", "a.b=2")
