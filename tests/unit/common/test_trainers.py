"""trainers.yaml, as it is shipped and as it could be broken."""

from pathlib import Path

import msgspec
import pytest

from common import trainers

SHIPPED = Path(__file__).parents[3] / "infra" / "base" / "config" / "trainers.yaml"


class TestTrainers:
    @pytest.mark.parametrize(
        ("image", "allowed"),
        [
            ("eventrain/trainer-sklearn:0.1.0", True),
            ("eventrain/trainer-:", True),
            ("eventrain/trainer-sklearn", False),
            ("evil.example/eventrain/trainer-sklearn:0.1.0", False),
            ("eventrain/trainer-x/../evil:1", False),
            ("eventrain/trainer-a:1\n", False),
        ],
    )
    def test_an_image_matches_a_pattern_as_a_whole(self, image: str, allowed: bool) -> None:
        assert trainers.parse(SHIPPED.read_bytes()).allows_image(image) is allowed

    def test_a_framework_that_is_not_listed_runs_the_defaults_command(self) -> None:
        parsed = trainers.parse(SHIPPED.read_bytes())
        assert parsed.command("transformers") == parsed.command(parsed.default_framework)

    def test_the_default_framework_must_be_listed(self) -> None:
        text = SHIPPED.read_bytes().replace(b"defaultFramework: sklearn", b"defaultFramework: x")
        with pytest.raises(ValueError, match="defaultFramework"):
            trainers.parse(text)

    def test_a_word_that_is_not_known_is_refused(self) -> None:
        with pytest.raises(msgspec.ValidationError):
            trainers.parse(SHIPPED.read_bytes() + b"\nallowedImage: [a]\n")
