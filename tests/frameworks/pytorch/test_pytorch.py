import pytest

from tests.frameworks.journey import LONG, Journey, Start
from tests.integration.trainer.control_plane import ControlPlane

pytestmark = pytest.mark.timeout(4 * LONG)


@pytest.fixture
def journey(plane: ControlPlane, program: Start, framework_python: str) -> Journey:
    quick = {"architecture": "mlp", "epochs": 4, "checkpoint_every": 1}
    return Journey("pytorch", framework_python, plane, program, quick)


class TestPyTorch:
    def test_goes_on_where_a_killed_attempt_was_as_if_nothing_had_happened(
        self, journey: Journey
    ) -> None:
        expected = journey.whole("val_loss")
        saved = journey.broken_off()

        measured = journey.resumed(saved, "val_loss")

        assert measured
        assert measured == {at: value for at, value in expected.items() if at > saved["epoch"]}

    def test_saves_before_it_stops_when_told_to(self, journey: Journey) -> None:
        journey.stopped()
