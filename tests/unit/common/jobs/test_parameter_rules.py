"""What a framework's schema makes of a job's hyperparameters."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from common import frameworks, trainers
from common.frameworks import Frameworks, Manifest, Takes
from common.jobs import parameter_rules, request
from common.jobs.offer import Offer

CONFIG = Path(__file__).parents[4] / "infra" / "base" / "config"
TRAINERS = trainers.parse((CONFIG / "trainers.yaml").read_bytes())
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "epochs": {"type": "integer", "minimum": 1, "maximum": 100},
        "learning_rate": {"type": "number", "exclusiveMinimum": 0},
        "architecture": {
            "anyOf": [{"enum": ["mlp", "linear"]}, {"type": "object", "required": ["type"]}]
        },
        "layers": {"type": "array", "minItems": 1, "items": {"type": "integer", "minimum": 1}},
        "name": {"type": ["string", "null"], "pattern": "^[a-z]+$"},
        "optimiser": {
            "type": "object",
            "required": ["kind"],
            "properties": {"kind": {"enum": ["sgd"]}, "momentum": {"maximum": 1}},
            "additionalProperties": False,
        },
    },
}
ALIASES = {"lr": "learning_rate", "num_epochs": "epochs"}


def manifest(schema: dict[str, Any] = SCHEMA, dataset: tuple[str, ...] = ()) -> Manifest:
    return Manifest("Scikit", "", Takes(dataset=list(dataset)), [], ALIASES, schema)


def offer(told: Manifest | None = None) -> Offer:
    return Offer("dev", (), TRAINERS, "eventrain", Frameworks({"sklearn": told or manifest()}))


def job(hyperparameters: dict[str, Any], **more: Any) -> request.JobRequest:
    asked, wrong = request.read({"hyperparameters": hyperparameters, **more})
    assert not wrong
    return asked


def check(hyperparameters: dict[str, Any], **more: Any) -> dict[str, str]:
    found = parameter_rules.check(job(hyperparameters, **more), offer())
    return {each.field: each.reason for each in found}


class TestCheck:
    @pytest.mark.parametrize(
        ("given", "field", "reason"),
        [
            ({"epochs": 0}, "epochs", "must be at least 1"),
            ({"epochs": 101}, "epochs", "must be at most 100"),
            ({"epochs": 2.5}, "epochs", "must be a whole number"),
            ({"epochs": "2"}, "epochs", "must be a whole number"),
            ({"learning_rate": 0}, "learning_rate", "must be above 0"),
            ({"learning_rate": float("nan")}, "learning_rate", "must be a number"),
            ({"architecture": "cnn"}, "architecture", "must be one of mlp, linear, or an object"),
            ({"layers": []}, "layers", "must hold at least 1"),
            ({"layers": [3, 0]}, "layers.1", "must be at least 1"),
            ({"name": "A"}, "name", "must match ^[a-z]+$"),
            ({"name": 1}, "name", "must be a text, or null"),
            ({"optimiser": {}}, "optimiser.kind", "is required"),
            (
                {"optimiser": {"kind": "sgd", "speed": 1}},
                "optimiser.speed",
                "is not known; there are kind, momentum",
            ),
        ],
    )
    def test_names_the_field_and_what_it_must_be(
        self, given: dict[str, Any], field: str, reason: str
    ) -> None:
        assert check(given) == {f"hyperparameters.{field}": reason}

    def test_tells_every_violation_at_once(self) -> None:
        assert len(check({"epochs": 0, "learning_rate": -1, "layers": [0, 0]})) == 4

    @pytest.mark.parametrize("given", [{}, {"epochs": 3}, {"epochs": 3.0}, {"mine": "x"}])
    def test_leaves_what_is_fine_and_names_that_are_not_its_own(self, given: Any) -> None:
        assert check(given) == {}

    def test_refuses_a_name_that_is_not_known_where_the_schema_says_so(self) -> None:
        strict = offer(manifest(SCHEMA | {"additionalProperties": False}))
        found = list(parameter_rules.check(job({"epoch": 3}), strict))
        assert [each.field for each in found] == ["hyperparameters.epoch"]
        assert found[0].reason.startswith("is not known; there are architecture, epochs")

    def test_reads_an_alias_as_the_name_and_tells_it_as_it_was_sent(self) -> None:
        assert check({"lr": 0}) == {"hyperparameters.lr": "must be above 0"}

    def test_prefers_the_name_to_its_alias_as_the_trainer_does(self) -> None:
        assert check({"lr": 0, "learning_rate": 1}) == {}

    @pytest.mark.parametrize(
        "trainer",
        [
            {"entrypoint": "train.py"},
            {"image": "eventrain/trainer-mine:1"},
            {"framework": "nobody-knows"},
        ],
    )
    def test_leaves_the_program_that_somebody_brings_alone(self, trainer: dict[str, Any]) -> None:
        assert check({"epochs": 0}, trainer=trainer) == {}

    def test_checks_a_spec_by_the_framework_that_its_kind_of_training_has(self) -> None:
        told = Frameworks({"transformers": manifest()})
        asked = job({}, trainJobSpec={"job_type": "SFT", "hyperparams": {"num_epochs": 1000}})
        found = parameter_rules.check(asked, with_frameworks(told))
        assert [each.field for each in found] == ["trainJobSpec.hyperparams.num_epochs"]


class TestDatasetProblem:
    @pytest.mark.parametrize(
        "uri",
        [None, "s3://b/d.csv", "s3://b/D.CSV", "s3://b/folder/", "s3://b/folder.x/", "s3://b/data"],
    )
    def test_is_none_for_what_fits_or_cannot_be_told(self, uri: str | None) -> None:
        told = offer(manifest(dataset=("csv", "npz")))
        assert parameter_rules.dataset_problem(uri, job({}), told) is None

    def test_names_the_formats_that_are_taken(self) -> None:
        told = offer(manifest(dataset=("csv", "npz")))
        problem = parameter_rules.dataset_problem("s3://b/d.parquet", job({}), told)
        assert problem == "is a .parquet file; Scikit takes csv, npz"


class TestFrameworks:
    def test_are_read_as_they_are_shipped(self) -> None:
        shipped = frameworks.parse((CONFIG / "frameworks.json").read_bytes())
        known = shipped.get("sklearn")
        assert known
        assert known.defaults["epochs"] == 12

    def test_are_compiled_once(self) -> None:
        told = offer().frameworks
        assert told.validator("sklearn") is told.validator("sklearn")

    def test_a_broken_file_is_refused(self) -> None:
        with pytest.raises(msgspec.MsgspecError):
            frameworks.parse(b'{"x": {}}')


def with_frameworks(told: Frameworks) -> Offer:
    return Offer("dev", (), TRAINERS, "eventrain", told)
