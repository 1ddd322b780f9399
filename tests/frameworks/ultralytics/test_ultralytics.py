import pytest

from tests.frameworks.journey import LONG, Journey, Start
from tests.integration.trainer.control_plane import ControlPlane

pytestmark = pytest.mark.timeout(4 * LONG)


@pytest.fixture
def journey(plane: ControlPlane, program: Start, framework_python: str) -> Journey:
    quick = {"architecture": "classify", "epochs": 4, "checkpoint_every": 1}
    return Journey("ultralytics", framework_python, plane, program, quick)


class TestUltralytics:
    def test_goes_on_where_a_killed_attempt_was(self, journey: Journey) -> None:
        saved = journey.broken_off()

        measured = journey.resumed(saved, "loss")

        assert sorted(measured) == list(range(saved["epoch"] + 1, 5))

    def test_saves_before_it_stops_when_told_to(self, journey: Journey) -> None:
        journey.stopped()

    def test_finds_shapes_and_tells_what_it_took_for_background(self, journey: Journey) -> None:
        run = journey.start(architecture="detect", epochs=1)
        assert run.wait(LONG) == 0, run.output

        [found] = journey.plane.of_type("validation")
        assert found["labels"] == ["circle", "square", "triangle", "cross", "background"]
        assert len(found["confusionMatrix"]) == 5
        assert [a["name"] for a in journey.plane.dones[0]["artifacts"]] == [
            "model/best.pt",
            "model/metrics.json",
            "model/requirements.txt",
        ]
