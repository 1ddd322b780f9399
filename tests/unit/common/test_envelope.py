import json
import math
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from common import envelope

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters()), inner),
)


class Shown(BaseModel):
    job_id: UUID = Field(serialization_alias="jobId")


def refuse(literal: str) -> None:
    raise AssertionError(literal)


class TestSuccess:
    def test_holds_data_in_the_one_shape(self) -> None:
        assert json.loads(envelope.success({"a": [1]})) == {
            "status": "success",
            "message": "OK",
            "data": {"a": [1]},
        }

    def test_spells_times_ids_and_models_as_clients_expect(self) -> None:
        uuid = UUID(int=7)
        at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
        body = json.loads(envelope.success([uuid, at, Shown(job_id=uuid)]))
        assert body["data"] == [str(uuid), "2026-01-02T03:04:05Z", {"jobId": str(uuid)}]

    @given(JSON)
    def test_is_strict_json_in_utf8_whatever_it_holds(self, data: Any) -> None:
        body = envelope.success(data).decode("utf-8")
        assert set(json.loads(body, parse_constant=refuse)) == {"status", "message", "data"}

    def test_replaces_halves_of_surrogate_pairs_at_any_depth(self) -> None:
        body = json.loads(envelope.success({"k\ud800": [("\udfff", Shown(job_id=UUID(int=1)))]}))
        assert list(body["data"]) == ["k?"]
        assert body["data"]["k?"][0][0] == "?"

    def test_refuses_what_has_no_json_form(self) -> None:
        with pytest.raises(TypeError, match="has no JSON form"):
            envelope.success(object())


class TestFailure:
    def test_holds_no_data_by_default(self) -> None:
        assert json.loads(envelope.failure("No.")) == {
            "status": "fail",
            "message": "No.",
            "data": None,
        }


class TestSpellNumber:
    @pytest.mark.parametrize(
        ("value", "spelt"),
        [(1.5, 1.5), (math.nan, "NaN"), (math.inf, "Infinity"), (-math.inf, "-Infinity")],
    )
    def test_names_what_is_no_number(self, value: float, spelt: object) -> None:
        assert envelope.spell_number(value) == spelt
