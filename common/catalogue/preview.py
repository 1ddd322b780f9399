"""The first rows of a file, from its first bytes."""

import csv
import io
import json
from typing import Any

from common.body import unstorable

HEAD = 256 * 1024
GREATEST_LIMIT = 200
LONGEST_TEXT = 2000


def preview(name: str, head: bytes, *, complete: bool, limit: int) -> dict[str, Any]:
    """What a person wants to see of it: `columns` and `rows` of a table, objects of JSON lines,
    lines of a text; no rows where it is neither. `complete` says that the head is the whole."""
    text = _text(head, complete=complete)
    if text is None:
        return _answer(name, "binary", None, [], truncated=not complete)
    lines = _whole_lines(text, complete=complete)
    kind = name.lower().rpartition(".")[2]
    if kind in ("csv", "tsv"):
        columns, rows = _table(lines, "\t" if kind == "tsv" else ",", limit + 1)
    elif kind in ("jsonl", "ndjson"):
        columns, rows = None, [_value(line) for line in _filled(lines)[: limit + 1]]
    else:
        kind, columns, rows = "text", None, [_shorten(line) for line in lines[: limit + 1]]
    truncated = not complete or len(rows) > limit
    return _answer(name, kind, columns, rows[:limit], truncated=truncated)


def _answer(
    name: str, kind: str, columns: list[str] | None, rows: list[Any], *, truncated: bool
) -> dict[str, Any]:
    return {
        "file": name,
        "format": kind,
        "columns": columns,
        "rows": rows,
        "truncated": truncated,
    }


def _text(head: bytes, *, complete: bool) -> str | None:
    if b"\0" in head:
        return None
    try:
        return head.decode("utf-8-sig")
    except UnicodeDecodeError as wrong:
        # The head may end in the middle of a character.
        if complete or wrong.start < len(head) - 3:
            return None
        return head[: wrong.start].decode("utf-8-sig")


def _whole_lines(text: str, *, complete: bool) -> list[str]:
    if not complete and "\n" in text:
        text = text[: text.rindex("\n")]
    return text.replace("\r\n", "\n").removesuffix("\n").split("\n")


def _filled(lines: list[str]) -> list[str]:
    return [line for line in lines if line.strip()]


def _table(lines: list[str], delimiter: str, limit: int) -> tuple[list[str], list[Any]]:
    rows: list[list[str]] = []
    try:
        for row in csv.reader(io.StringIO("\n".join(lines)), delimiter=delimiter):
            rows.append([_shorten(cell) for cell in row])
            if len(rows) > limit:
                break
    except csv.Error:
        pass
    return (rows[0], rows[1:]) if rows else ([], [])


def _value(line: str) -> Any:
    try:
        value = json.loads(line, parse_constant=str)
    except (ValueError, RecursionError):
        return _shorten(line)
    odd = len(line) > LONGEST_TEXT or any(unstorable(value))
    return _shorten(line) if odd else value


def _shorten(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}…"
