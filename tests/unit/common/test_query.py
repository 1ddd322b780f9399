from typing import Annotated

import msgspec
import pytest

from common import query
from common.errors import Invalid


class Asked(msgspec.Struct, rename="camel"):
    some_name: str | None = None
    label: list[str] = []
    limit: Annotated[int, msgspec.Meta(ge=1, le=200)] = 50


class TestAQuery:
    def test_is_read_by_the_names_of_the_contract(self) -> None:
        found = query.read("someName=a%20b&label=x&label=y&limit=3&more=1", Asked)
        assert found == Asked("a b", ["x", "y"], 3)

    def test_counts_the_last_of_what_is_no_list(self) -> None:
        assert query.read("limit=3&limit=4", Asked).limit == 4

    def test_takes_a_word_for_a_word(self) -> None:
        assert query.read("someName=null&label=1", Asked) == Asked("null", ["1"])

    @pytest.mark.parametrize("limit", ["0", "201", "x", "", "null", "1.0", "٣", "9" * 5000])
    def test_is_refused_by_field(self, limit: str) -> None:
        with pytest.raises(Invalid) as refused:
            query.read(f"limit={limit}", Asked)
        assert refused.value.violations[0].field == "limit"
