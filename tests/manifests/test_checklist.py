"""docs/add-a-function.md: its checklist, for every function that there is."""

import re

import pytest

from tests.manifests.objects import ROOT, read_yaml

PAGE = (ROOT / "docs" / "add-a-function.md").read_text(encoding="utf-8")
FUNCTIONS = sorted(path.parent.name for path in (ROOT / "functions").glob("*/app.py"))
SINKS = {"dead_letter"}

function = pytest.mark.parametrize("function", FUNCTIONS)


def section(title: str) -> str:
    (found,) = re.findall(rf"^## {title}$(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    return found


def files(title: str, function: str) -> list[str]:
    """The files that this section asks of a function, its own names put in."""
    asked = re.findall(r"- \[ \] `([^`]*<(?:function|name)>[^`]*)`", section(title))
    assert asked, title
    names = {"<function>": function, "<name>": function.replace("_", "-")}
    return [re.sub("<function>|<name>", lambda found: names[found[0]], path) for path in asked]


@function
def test_has_what_every_function_has(function: str) -> None:
    missing = [path for path in files("Always", function) if not (ROOT / path).exists()]
    assert missing == []


@function
def test_is_called_in_one_of_the_ways(function: str) -> None:
    ways = files("How it is called: at least one of", function)
    there = [path for path in ways if (ROOT / path).exists()]
    assert there or function in SINKS


@function
def test_is_listed_where_its_objects_are(function: str) -> None:
    for path in (p for p in files("Always", function) if p.startswith("knative/")):
        folder, _, rest = path.partition("/")
        assert rest in read_yaml(ROOT / folder / "kustomization.yaml")["resources"]


@function
def test_has_no_file_that_the_list_does_not_name(function: str) -> None:
    named = {*files("Always", function), *files("With bodies", function)}
    there = {f"functions/{function}/{p.name}" for p in (ROOT / "functions" / function).glob("*.py")}
    assert there <= named


@function
def test_has_a_row_in_the_readme_and_a_line_in_the_tree(function: str) -> None:
    assert f"functions/{function})" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"{function}/" in (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("title", ["Always", "How it is called: at least one of", "With bodies"])
def test_every_item_of_the_page_that_names_a_file_is_read(title: str) -> None:
    lines = [line for line in section(title).splitlines() if "<" in line]
    assert len(lines) == len(files(title, "any"))
