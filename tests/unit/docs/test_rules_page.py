"""The page of rules names tests and modules that exist, and leaves no rule out."""

import ast
import re
from pathlib import Path

import msgspec
import pytest

from common.sync.retention import Retention

CLONE = Path(__file__).parents[3]
PAGE = (CLONE / "docs" / "rules.md").read_text(encoding="utf-8")
RULES = 30
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.splitlines()
    if re.match(r"\| \d+ \|", line)
]
NAMED_TESTS = sorted(set(re.findall(r"`(tests/[\w./]+\.py(?:::\w+)+)`", PAGE)))


def names_in(path: Path) -> set[str]:
    """Every function, class and method, spelled as pytest does."""
    found: set[str] = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef):
            functions = (ast.FunctionDef, ast.AsyncFunctionDef)
            methods = [each.name for each in node.body if isinstance(each, functions)]
            found |= {node.name, *(f"{node.name}::{method}" for method in methods)}
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(node.name)
    return found


def test_has_one_line_for_each_rule() -> None:
    assert [int(row[0]) for row in ROWS] == list(range(1, RULES + 1))


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_a_rule_names_modules_that_exist_and_a_test(row: list[str]) -> None:
    modules = re.findall(r"`([\w./]+)`", row[2])
    assert modules
    assert [module for module in modules if not (CLONE / module).exists()] == []
    assert "`tests/" in row[3]


@pytest.mark.parametrize("named", NAMED_TESTS)
def test_a_test_that_is_named_exists(named: str) -> None:
    path, _, name = named.partition("::")
    assert name in names_in(CLONE / path)


def test_names_every_setting_of_the_retention() -> None:
    settings = {field.encode_name for field in msgspec.structs.fields(Retention)}
    assert {name for name in settings if f"`{name}`" not in PAGE} == set()
