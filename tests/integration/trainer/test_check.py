"""`check`: our own trainers meet every demand, and one that is bad in one way fails that row."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from eventrain_trainer import check
from eventrain_trainer.check.command import main
from eventrain_trainer.check.row import DEMANDS
from eventrain_trainer.new import make

from tests.integration.trainer.bad_trainers import BAD, MANIFESTS

FRAMEWORKS = Path(check.__file__).parents[1] / "frameworks"
Table = Callable[..., tuple[int, dict[str, dict[str, Any]]]]


@pytest.fixture
def table(capsys: pytest.CaptureFixture[str]) -> Table:
    """The exit code and the rows by name."""

    def run(path: Path, *options: str) -> tuple[int, dict[str, dict[str, Any]]]:
        code = main([str(path), "--json", *options])
        rows = json.loads(capsys.readouterr().out)["rows"]
        return code, {row["name"]: row for row in rows}

    return run


@pytest.fixture
def framework(tmp_path: Path) -> Path:
    return make("bad", tmp_path)


@pytest.mark.timeout(600)
class TestAGoodTrainer:
    def test_passes_every_row_when_it_was_just_made(self, table: Table, tmp_path: Path) -> None:
        code, rows = table(make("bowls", tmp_path))

        assert {name: row["reason"] for name, row in rows.items() if row["verdict"] != "pass"} == {}
        assert list(rows) == list(DEMANDS)
        assert code == 0

    def test_passes_every_row_but_that_of_the_result_when_it_speaks_for_itself(
        self, table: Table, tmp_path: Path
    ) -> None:
        code, rows = table(make("bowls", tmp_path), "--alone", "--only", "beats,resume,stop,stale")

        assert {name: row["reason"] for name, row in rows.items() if row["verdict"] != "pass"} == {}
        assert code == 0

    def test_passes_every_row_as_scikit_learn(self, table: Table, sklearn_python: str) -> None:
        code, rows = table(FRAMEWORKS / "sklearn", "--python", sklearn_python)

        assert {name: row["reason"] for name, row in rows.items() if row["verdict"] != "pass"} == {}
        assert code == 0


class TestABadTrainer:
    @pytest.mark.parametrize("way", list(BAD))
    def test_fails_because_it(self, table: Table, tmp_path: Path, way: str) -> None:
        bad = BAD[way]
        script = tmp_path / "bad.py"
        script.write_text(bad.program)
        alone = ["--alone"] if bad.alone and "--alone" not in bad.options else []

        code, rows = table(script, "--only", bad.row, *alone, *bad.options)

        assert (rows[bad.row]["verdict"], code) == ("fail", 1), rows
        assert bad.reason in rows[bad.row]["reason"]
        assert rows[bad.row]["advice"]

    @pytest.mark.parametrize("reason", list(MANIFESTS))
    def test_fails_because_of_its_manifest(
        self, table: Table, framework: Path, reason: str
    ) -> None:
        before, after = MANIFESTS[reason]
        manifest = framework / "manifest.yaml"
        assert before in manifest.read_text()
        manifest.write_text(manifest.read_text().replace(before, after, 1))

        code, rows = table(framework, "--only", "manifest")

        assert code == 1
        assert reason in rows["manifest"]["reason"]

    @pytest.mark.parametrize(
        ("readme", "reason"),
        [(None, "missing"), ("\n", "empty"), ("line\n" * 50, "has 50 lines")],
    )
    def test_fails_because_of_its_readme(
        self, table: Table, framework: Path, readme: str | None, reason: str
    ) -> None:
        (framework / "README.md").unlink()
        if readme is not None:
            (framework / "README.md").write_text(readme)

        code, rows = table(framework, "--only", "manifest")

        assert code == 1
        assert reason in rows["manifest"]["reason"]

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            (
                ("for name, (least, most) in BOUNDS.items()", "for name, (least, most) in ()"),
                "epochs=0",
            ),
            (('raise ValueError("; ".join(wrong))', "raise MemoryError"), "class transient"),
            (('raise ValueError("; ".join(wrong))', "raise ValueError"), "does not say which"),
            (('    "learning_rate": (1e-6, 1.0),\n', ""), "trained with learning_rate="),
        ],
    )
    def test_fails_because_it_takes_what_is_out_of_bounds(
        self, table: Table, framework: Path, change: tuple[str, str], reason: str
    ) -> None:
        program = framework / "__main__.py"
        assert change[0] in program.read_text()
        program.write_text(program.read_text().replace(*change))

        code, rows = table(framework, "--only", "bounds")

        assert code == 1
        assert reason in rows["bounds"]["reason"]


class TestWhatCannotBeChecked:
    @pytest.mark.parametrize("given", [["nowhere"], [".", "--only", "nonsense"]])
    def test_is_refused_before_anything_is_started(
        self, given: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(given) == 2
        assert "eventrain: " in capsys.readouterr().err

    def test_is_skipped_and_says_why(self, table: Table, tmp_path: Path) -> None:
        script = tmp_path / "script.py"
        script.write_text("")

        code, rows = table(script, "--only", "manifest", "--only", "bounds")

        assert code == 0
        assert {row["verdict"] for row in rows.values()} == {"skip"}
        assert "a script, not a framework" in rows["bounds"]["reason"]
