import pytest

from common.errors import Invalid
from common.live.message import Message, frame, retry
from common.live.place import Place


class TestAPlace:
    @pytest.mark.parametrize("place", [Place(), Place(3, 2, 1, 17), Place(2**63 - 1, 0, 0, 0)])
    def test_is_read_as_it_was_written(self, place: Place) -> None:
        assert Place.read(str(place)) == place

    @pytest.mark.parametrize(
        "text", ["", "1", "1.2.3", "1.2.3.4.5", "1.2.3.-2", "a.b.c.d", f"0.0.{2**31}.0", "٣.0.0.0"]
    )
    def test_is_nothing_else(self, text: str) -> None:
        with pytest.raises(Invalid):
            Place.read(text)

    def test_has_in_common_with_another_what_both_were_told(self) -> None:
        assert Place(3, 1, 2, 0).common_with(Place(2, 4, 1, 9)) == Place(2, 1, 1, 9)


class TestAMessage:
    def test_moves_the_place_of_whoever_has_not_had_it(self) -> None:
        place = Place(3, 2, 1, 5)
        assert Message("change", b"", change=4).move(place) == Place(4, 2, 1, 5)
        assert Message("change", b"", report=3).move(place) == Place(3, 3, 1, 5)
        assert Message("points", b"", beat=(2, 0)).move(place) == Place(3, 2, 2, 0)
        assert Message("job", b"").move(place) == place

    def test_is_passed_over_by_whoever_has(self) -> None:
        place = Place(3, 2, 1, 5)
        for had in (
            Message("change", b"", change=3),
            Message("change", b"", report=2),
            Message("points", b"", beat=(1, 5)),
            Message("points", b"", beat=(0, 9)),
        ):
            assert had.move(place) is None

    def test_looks_as_event_streams_are_written(self) -> None:
        message = Message("job", b"{}")
        assert frame(message, Place(1, 0, 0, -1)) == b"id: 1.0.0.-1\nevent: job\ndata: {}\n\n"
        assert frame(message) == b"event: job\ndata: {}\n\n"
        assert retry(700) == b"retry: 700\n\n"
