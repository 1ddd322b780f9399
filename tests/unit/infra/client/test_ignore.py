"""Patterns mean what git takes them to mean."""

import pytest
from eventrain_client.ignore import ALWAYS, Ignored


@pytest.mark.parametrize(
    ("pattern", "covered", "left"),
    [
        ("*.bin", ["a.bin", "deep/er/a.bin"], ["a.bin.txt", "bin"]),
        ("/data", ["data"], ["deep/data"]),
        ("a/b", ["a/b"], ["x/a/b"]),
        ("a/*.py", ["a/x.py"], ["a/b/x.py"]),
        ("a/**/x", ["a/x", "a/b/c/x"], ["x", "b/a/x"]),
        ("**/cache", ["cache", "a/b/cache"], ["cached"]),
        ("logs/**", ["logs/a", "logs/a/b"], ["logs"]),
        ("run?.log", ["run1.log"], ["run.log", "run/1.log"]),
        ("[ab].py", ["a.py"], ["c.py"]),
        ("[!ab].py", ["c.py"], ["a.py"]),
        (r"\#odd", ["#odd"], ["odd"]),
        ("a+b(c)", ["a+b(c)"], ["aab(c)"]),
    ],
)
def test_a_pattern_covers_what_it_names(pattern: str, covered: list[str], left: list[str]) -> None:
    ignored = Ignored.read([pattern])
    assert [path for path in covered if not ignored.covers(path, is_folder=False)] == []
    assert [path for path in left if ignored.covers(path, is_folder=False)] == []


def test_a_slash_at_the_end_means_folders_only() -> None:
    ignored = Ignored.read(["build/"])
    assert ignored.covers("deep/build", is_folder=True)
    assert not ignored.covers("build", is_folder=False)


def test_the_last_that_matches_decides() -> None:
    ignored = Ignored.read([*ALWAYS.splitlines(), "# a comment", "", "!venv/", "*.csv", "!a.csv"])
    assert not ignored.covers("venv", is_folder=True)
    assert ignored.covers(".venv", is_folder=True)
    assert ignored.covers("b.csv", is_folder=False)
    assert not ignored.covers("a.csv", is_folder=False)


def test_what_is_secret_or_made_anew_is_left_out_unasked() -> None:
    ignored = Ignored.read(ALWAYS.splitlines())
    assert ignored.covers(".env", is_folder=False)
    assert ignored.covers("a/__pycache__", is_folder=True)
    assert ignored.covers(".git", is_folder=True)
    assert not ignored.covers("train.py", is_folder=False)
