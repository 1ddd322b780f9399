"""Every statement of queries.sql is somebody's."""

from common.postgres import statements
from tests.postgres_server import CLONE

HOUSES = ("common", "functions", "infra", "eventing")


def test_no_statement_is_left_that_nobody_asks_for() -> None:
    code = "".join(
        file.read_text(encoding="utf-8")
        for house in HOUSES
        for file in (CLONE / house).rglob("*.py")
    )
    assert [name for name in statements() if f'"{name}"' not in code] == []
