"""What each framework takes, and that its manifest says the same as its code."""

import importlib
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import eventrain_trainer
import jsonschema
import pytest
import yaml
from eventrain_trainer.frameworks.parameters import ALIASES

FOLDER = Path(eventrain_trainer.__file__).parent / "frameworks"
FRAMEWORKS = sorted(found.parent.name for found in FOLDER.glob("*/manifest.yaml"))
# Values of each name that the code of one framework or another takes or refuses.
TRIED: dict[str, list[Any]] = {
    "epochs": [0, 1, 2.5, True, "many", 100_001],
    "learning_rate": [0, 0.1, 11],
    "batch_size": [0, 1, 2],
    "architecture": [
        *("mlp", "linear", "cnn", "gpt", "gpt2", "Res-Net", "resnet18", "detect", 7),
        *({"type": "mlp"}, {"type": "llama"}, {"type": "classify"}, {}),
    ],
    "hidden_layers": [[32, 16], [], [0], 8],
    "hidden_size": [16, 24, 0],
    "num_layers": [0, 1],
    "vocab_size": [256, 257],
    "max_seq_len": [7, 8],
    "dropout": [0, 0.5, 1],
    "weight_decay": [0, 0.5, 2],
    "precision": ["fp32", "bf16", "fp16", "int8"],
    "method": ["full", "lora", "qlora"],
    "lora_rank": [0, 4],
    "image_size": [32, 64, 72, 8],
    "scale": ["n", "x", "huge"],
    "seed": [0, -1, 2**32],
    "checkpoint_every": [0, 1],
    "epoch_seconds": [0, 0.5, -1, 3601],
    "validation_share": [0, 0.5, 1],
    "label": ["y", ""],
}


def code(name: str) -> Any:
    return importlib.import_module(f"eventrain_trainer.frameworks.{name}.parameters")


def manifest(name: str) -> dict[str, Any]:
    return yaml.safe_load((FOLDER / name / "manifest.yaml").read_text())


@pytest.mark.parametrize("framework", FRAMEWORKS)
class TestEveryFramework:
    def test_takes_the_names_of_a_train_job_spec(self, framework: str) -> None:
        given = {"lr": 0.1, "num_epochs": 3, "of_another": 9}
        found = code(framework).Parameters.from_mapping(given)

        assert (found.learning_rate, found.epochs) == (0.1, 3)

    def test_lets_its_own_name_win_and_the_environment_come_last(self, framework: str) -> None:
        read = code(framework).Parameters.from_mapping

        assert read({"lr": 0.1, "learning_rate": 0.2}).learning_rate == 0.2
        assert read({}, epochs=5).epochs == 5
        assert read({"num_epochs": 7}, epochs=5).epochs == 7

    def test_names_every_violation(self, framework: str) -> None:
        wrong = {"epochs": 0, "architecture": "No-Such", "checkpoint_every": "often"}
        with pytest.raises(ValueError, match=r"epochs.*architecture.*checkpoint_every"):
            code(framework).Parameters.from_mapping(wrong)

    def test_has_a_manifest_that_says_the_same_as_the_code(self, framework: str) -> None:
        said = manifest(framework)
        properties = said["parameters"]["properties"]
        defaults = {name: found["default"] for name, found in properties.items()}
        in_code = asdict(code(framework).Parameters())

        assert defaults == {n: [*v] if isinstance(v, tuple) else v for n, v in in_code.items()}
        assert said["aliases"] == ALIASES
        assert set(code(framework).RULES) == set(properties)
        assert all(found.get("title") for found in properties.values())
        jsonschema.Draft202012Validator.check_schema(said["parameters"])

    def test_has_a_manifest_that_takes_what_the_code_takes(self, framework: str) -> None:
        rules = code(framework).RULES
        validator = jsonschema.Draft202012Validator(manifest(framework)["parameters"])
        differing = [
            (name, value)
            for name, value in _tried(rules)
            if validator.is_valid({name: value}) != _takes(rules[name], value)
        ]

        assert not differing
        assert set(rules) <= set(TRIED)


def _tried(rules: Any) -> Iterator[tuple[str, Any]]:
    return ((name, value) for name in rules for value in TRIED.get(name, ()))


def _takes(rule: Any, value: Any) -> bool:
    try:
        rule(value)
    except (TypeError, ValueError):
        return False
    return True
