"""What the pages name is there."""

import re
from pathlib import Path

import pytest

CLONE = Path(__file__).parents[3]
PAGES = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "docs/runbook.md", "docs/states.md"]
ROOTS = ("functions", "eventing", "common", "knative", "infra", "trainer", "tests", "docs")


@pytest.mark.parametrize("page", PAGES)
def test_names_only_paths_that_exist(page: str) -> None:
    text = (CLONE / page).read_text(encoding="utf-8")
    named = set(re.findall(rf"`((?:{'|'.join(ROOTS)})/[\w./-]+)`", text))
    named |= {f"{CLONE / page}/../{link}" for link in re.findall(r"\]\((?!http)([\w./-]+)\)", text)}
    missing = {path for path in named if not (CLONE / path).resolve().exists()}
    assert missing == set()


def test_lists_every_function_in_the_readme_and_the_tree() -> None:
    folders = {path.parent.name for path in CLONE.glob("functions/*/app.py")}
    tree = (CLONE / "ARCHITECTURE.md").read_text(encoding="utf-8")
    readme = (CLONE / "README.md").read_text(encoding="utf-8")
    assert {name for name in folders if f"{name}/" not in tree} == set()
    assert {name for name in folders if f"functions/{name})" not in readme} == set()


def test_names_every_module_of_common() -> None:
    tree = (CLONE / "ARCHITECTURE.md").read_text(encoding="utf-8")
    modules = {path.stem for path in CLONE.glob("common/*.py") if path.stem != "__init__"}
    modules |= {path.stem for path in CLONE.glob("common/jobs/*.py") if path.stem != "__init__"}
    assert {name for name in modules if not re.search(rf"\b{name}\b", tree)} == set()
