"""What of a folder is not packed: patterns as git reads them, the last that matches decides."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from eventrain_client.errors import FolderFault

FILE = ".eventrainignore"
ALWAYS = f"""
.git/
.hg/
.svn/
.venv/
venv/
__pycache__/
node_modules/
.ipynb_checkpoints/
.mypy_cache/
.pytest_cache/
.ruff_cache/
.tox/
.nox/
*.egg-info/
*.py[co]
.DS_Store
.env
{FILE}
"""


@dataclass(frozen=True)
class Pattern:
    expression: re.Pattern[str]
    folders_only: bool
    includes: bool


@dataclass(frozen=True)
class Ignored:
    """Our own patterns, then those of the folder's file, which may take ours back by `!`."""

    patterns: tuple[Pattern, ...]

    @classmethod
    def of(cls, folder: Path) -> Ignored:
        try:
            theirs = (folder / FILE).read_text(encoding="utf-8")
        except FileNotFoundError:
            theirs = ""
        except (OSError, UnicodeDecodeError) as error:
            raise FolderFault(f"{folder / FILE} cannot be read: {error}.") from error
        return cls.read([*ALWAYS.splitlines(), *theirs.splitlines()])

    @classmethod
    def read(cls, lines: Iterable[str]) -> Ignored:
        given = (line.strip() for line in lines)
        return cls(tuple(_read(line) for line in given if line and not line.startswith("#")))

    def covers(self, path: str, *, is_folder: bool) -> bool:
        """`path` is relative, with slashes; what lies in a folder that is covered is not asked."""
        matching = (
            not pattern.includes
            for pattern in reversed(self.patterns)
            if (is_folder or not pattern.folders_only) and pattern.expression.fullmatch(path)
        )
        return next(matching, False)


def _read(line: str) -> Pattern:
    includes, body = line.startswith("!"), line.removeprefix("!")
    path = body.rstrip("/")
    anywhere = "" if "/" in path else "(?:.*/)?"
    return Pattern(
        re.compile(anywhere + _translate(path.lstrip("/"))), body.endswith("/"), includes
    )


def _translate(path: str) -> str:
    return "".join(_piece(found[0]) for found in _PIECES.finditer(path))


def _piece(piece: str) -> str:
    if piece in _WILD:
        return _WILD[piece]
    if len(piece) > 2 and piece[0] == "[":
        inside = piece[1:-1].replace("\\", "\\\\")
        return f"[^{inside[1:]}]" if inside[0] in "!^" else f"[{inside}]"
    return re.escape(piece.removeprefix("\\") or piece)


_PIECES = re.compile(r"\*\*/|/\*\*$|\*+|\?|\[[^\]]+\]|\\.|.")
_WILD = {"**/": "(?:.*/)?", "/**": "/.+", "**": ".*", "*": "[^/]*", "?": "[^/]"}
