import pytest

from common.catalogue.preview import LONGEST_TEXT, preview


def rows(name: str, head: bytes, *, complete: bool = True, limit: int = 10) -> object:
    return preview(name, head, complete=complete, limit=limit)["rows"]


class TestPreview:
    def test_leaves_out_a_line_that_is_cut_off(self) -> None:
        assert rows("a.csv", b"x\n1\n2", complete=False) == [["1"]]
        assert rows("a.csv", b"x\n1\n2") == [["1"], ["2"]]

    def test_leaves_out_a_character_that_is_cut_off(self) -> None:
        head = "ü\nüü".encode()
        assert rows("a.txt", head[:-1], complete=False) == ["ü"]

    def test_reads_quoted_lines_as_one_cell(self) -> None:
        assert rows("a.csv", b'x,y\n"1\n1",2\n') == [["1\n1", "2"]]

    def test_takes_a_byte_order_mark_for_none_of_the_name(self) -> None:
        shown = preview("a.tsv", b"\xef\xbb\xbfx\ty\n", complete=True, limit=1)
        assert shown["columns"] == ["x", "y"]

    def test_shows_a_broken_line_of_json_as_text(self) -> None:
        head = b'{"a": NaN}\nbroken\n\n' + b"[" * 100_000
        shown = rows("a.jsonl", head)
        assert isinstance(shown, list)
        assert shown[:2] == [{"a": "NaN"}, "broken"]
        assert len(shown[2]) == LONGEST_TEXT + 1

    @pytest.mark.parametrize("line", [b"1" * 30, b"[" * 900 + b"]" * 900, b'"\\ud800"'])
    def test_shows_what_no_answer_can_hold_as_text(self, line: bytes) -> None:
        assert rows("a.jsonl", line) == [line.decode()]

    @pytest.mark.parametrize("head", [b"\xff\xfe\x00", b"PK\x03\x04\x00\x00", b"\0" * 10])
    def test_shows_no_rows_of_what_is_no_text(self, head: bytes) -> None:
        shown = preview("a.csv", head, complete=True, limit=5)
        assert (shown["format"], shown["rows"]) == ("binary", [])

    @pytest.mark.parametrize(("limit", "truncated"), [(2, True), (3, False)])
    def test_says_whether_there_is_more(self, limit: int, truncated: bool) -> None:
        shown = preview("a.txt", b"1\n2\n3\n", complete=True, limit=limit)
        assert len(shown["rows"]) == limit
        assert shown["truncated"] is truncated
