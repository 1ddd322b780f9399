import pytest
from hypothesis import given
from hypothesis import strategies as st

from common import trace

GOOD = f"00-{'a' * 32}-{'b' * 16}-01"


class TestATraceParent:
    def test_is_read_and_written_alike(self) -> None:
        assert str(trace.parse(GOOD)) == GOOD

    @pytest.mark.parametrize(
        "header",
        [
            None,
            "",
            GOOD.upper(),
            GOOD + "-",
            GOOD[:-1],
            f"ff-{'a' * 32}-{'b' * 16}-01",
            f"00-{'0' * 32}-{'b' * 16}-01",
            f"00-{'a' * 32}-{'0' * 16}-01",
            GOOD + "\n",
        ],
    )
    def test_that_is_not_valid_begins_a_new_trace(self, header: str | None) -> None:
        assert trace.parse(header) is None
        assert trace.parse(str(trace.accept(header)))

    def test_has_children_in_the_same_trace(self) -> None:
        parent = trace.start()
        child = parent.child()
        assert child.trace_id == parent.trace_id
        assert child.span_id != parent.span_id


class TestARequestId:
    @pytest.mark.parametrize("given_id", ["r-1", "a" * 128, "5b0f:3/=+_."])
    def test_that_is_fit_is_kept(self, given_id: str) -> None:
        assert trace.accept_request_id(given_id) == given_id

    @given(st.text(max_size=300))
    def test_can_always_be_a_header(self, given_id: str) -> None:
        accepted = trace.accept_request_id(given_id)
        assert 0 < len(accepted) <= 128
        assert accepted.isascii()
        assert accepted.isprintable()
        assert " " not in accepted

    def test_is_new_each_time_where_none_is_given(self) -> None:
        assert trace.accept_request_id(None) != trace.accept_request_id("")
