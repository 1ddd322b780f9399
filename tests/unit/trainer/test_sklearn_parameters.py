from dataclasses import asdict
from pathlib import Path
from typing import Any

import eventrain_trainer
import jsonschema
import pytest
import yaml
from eventrain_trainer.frameworks.sklearn.parameters import ALIASES, RULES, Parameters

FOLDER = Path(eventrain_trainer.__file__).parent / "frameworks" / "sklearn"


@pytest.fixture(scope="module")
def manifest() -> dict[str, Any]:
    return yaml.safe_load((FOLDER / "manifest.yaml").read_text())


class TestParameters:
    def test_takes_the_names_of_a_train_job_spec(self) -> None:
        found = Parameters.from_mapping({"lr": 0.1, "num_epochs": 3, "max_seq_len": 9})

        assert (found.learning_rate, found.epochs) == (0.1, 3)

    def test_its_own_name_wins_and_the_environment_comes_last(self) -> None:
        assert Parameters.from_mapping({"lr": 0.1, "learning_rate": 0.2}).learning_rate == 0.2
        assert Parameters.from_mapping({}, epochs=5).epochs == 5
        assert Parameters.from_mapping({"num_epochs": 7}, epochs=5).epochs == 7

    def test_names_every_violation(self) -> None:
        with pytest.raises(ValueError, match=r"epochs.*architecture.*hidden_layers"):
            Parameters.from_mapping({"epochs": 0, "architecture": "gpt", "hidden_layers": [0]})


class TestManifest:
    def test_says_the_same_as_the_code(self, manifest: dict[str, Any]) -> None:
        properties = manifest["parameters"]["properties"]
        defaults = {name: found["default"] for name, found in properties.items()}
        code = asdict(Parameters())

        assert defaults == code | {"hidden_layers": list(code["hidden_layers"])}
        assert manifest["aliases"] == ALIASES
        jsonschema.Draft202012Validator.check_schema(manifest["parameters"])

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("epochs", 0),
            ("epochs", 1),
            ("epochs", 2.5),
            ("learning_rate", 0),
            ("learning_rate", 0.1),
            ("architecture", "linear"),
            ("architecture", {"type": "mlp"}),
            ("architecture", "gpt"),
            ("hidden_layers", [32, 16]),
            ("hidden_layers", []),
            ("hidden_layers", [0]),
            ("epoch_seconds", 0),
            ("epoch_seconds", -1),
            ("validation_share", 1),
            ("label", "y"),
        ],
    )
    def test_accepts_what_the_code_accepts(
        self, manifest: dict[str, Any], name: str, value: Any
    ) -> None:
        validator = jsonschema.Draft202012Validator(manifest["parameters"])
        try:
            RULES[name](value)
        except (TypeError, ValueError):
            taken = False
        else:
            taken = True

        assert validator.is_valid({name: value}) == taken
