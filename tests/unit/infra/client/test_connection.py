from __future__ import annotations

import json
from pathlib import Path

import pytest
from eventrain_client.connection import Connection, find_connection
from eventrain_client.errors import LocalFault


@pytest.fixture
def home(tmp_path: Path) -> Path:
    saved = {"address": "http://127.0.0.1:8400", "token": "saved", "projectId": "p"}
    (tmp_path / "client.json").write_text(json.dumps(saved))
    return tmp_path


class TestFindConnection:
    def test_prefers_the_environment(self, home: Path) -> None:
        environ = {
            "EVENTRAIN_HOME": str(home),
            "EVENTRAIN_ADDRESS": "https://prod/",
            "EVENTRAIN_TOKEN": "mine",
        }
        assert find_connection(environ) == Connection("https://prod", "mine")

    def test_reads_what_the_stack_wrote(self, home: Path) -> None:
        found = find_connection({"EVENTRAIN_HOME": str(home)})
        assert found == Connection("http://127.0.0.1:8400", "saved")

    def test_sends_a_saved_token_to_no_other_address(self, home: Path) -> None:
        environ = {"EVENTRAIN_HOME": str(home), "EVENTRAIN_ADDRESS": "https://elsewhere"}
        with pytest.raises(LocalFault, match="not for https://elsewhere"):
            find_connection(environ)

    def test_says_what_to_do_when_nothing_is_known(self, tmp_path: Path) -> None:
        with pytest.raises(LocalFault) as caught:
            find_connection({"EVENTRAIN_HOME": str(tmp_path)})
        assert "eventrain up" in caught.value.advice

    @pytest.mark.parametrize("text", ["", "{}", "[]", '{"address": "x"'])
    def test_refuses_a_file_that_is_something_else(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "client.json").write_text(text)
        with pytest.raises(LocalFault, match=r"client\.json"):
            find_connection({"EVENTRAIN_HOME": str(tmp_path)})

    @pytest.mark.parametrize("address", ["localhost:8400", "http://", "ftp://x", "http://x y"])
    def test_refuses_what_is_no_address(self, address: str) -> None:
        with pytest.raises(LocalFault, match="is no address"):
            find_connection({"EVENTRAIN_ADDRESS": address, "EVENTRAIN_TOKEN": "t"})

    @pytest.mark.parametrize("token", ["two\nlines", "with space", "é"])
    def test_refuses_a_token_that_no_header_can_carry(self, token: str) -> None:
        with pytest.raises(LocalFault, match="token") as caught:
            find_connection({"EVENTRAIN_ADDRESS": "http://x", "EVENTRAIN_TOKEN": token})
        assert token not in caught.value.message

    def test_prints_no_token(self) -> None:
        assert "secret-token" not in repr(Connection("http://there", "secret-token"))
