"""MLflow's language for searching runs: `metrics.loss < 0.2 and params.model = 'tree'`.

It is read here whoever serves the search: so what cannot be read is refused alike, and what MLflow
is asked is written by us, never by a caller.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NoReturn

from common.errors import Invalid, Violation
from common.tracking import name as names

Status = Literal["running", "completed", "failed", "killed"]

FIELD = "filterString"
MOST_TERMS = 50

FIGURES = frozenset({"=", "!=", "<", "<=", ">", ">="})
WORDS = frozenset({"=", "!=", "LIKE", "ILIKE", "IN", "NOT IN"})
EXACT = frozenset({"=", "!=", "IN", "NOT IN"})

ENTITIES: Mapping[str, str] = {
    **dict.fromkeys(("metric", "metrics"), "metric"),
    **dict.fromkeys(("param", "params", "parameter", "parameters"), "param"),
    **dict.fromkeys(("tag", "tags"), "tag"),
    **dict.fromkeys(("attribute", "attributes", "attr", "run"), "attribute"),
}
ATTRIBUTES: Mapping[str, frozenset[str]] = {
    "run_name": WORDS,
    "status": EXACT,
    "run_id": EXACT,
    "start_time": FIGURES,
    "end_time": FIGURES,
}
ALIASES = {"created": "start_time", "name": "run_name"}
# What MLflow calls the states of the contract.
THEIRS: Mapping[str, str] = {
    "running": "RUNNING",
    "completed": "FINISHED",
    "failed": "FAILED",
    "killed": "KILLED",
}
OURS: Mapping[str, Status] = {
    "RUNNING": "running",
    "SCHEDULED": "running",
    "FINISHED": "completed",
    "FAILED": "failed",
    "KILLED": "killed",
}

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<text>'[^']*'|"[^"]*"|`[^`]*`)
        | (?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?![\w.]))
        | (?P<sign><=|>=|!=|<>|=|<|>|\(|\)|,)
        | (?P<word>[A-Za-z_][\w./\-]*)
    )""",
    re.VERBOSE,
)
_PLAIN_KEY = re.compile(r"[A-Za-z_]\w*")


@dataclass(frozen=True)
class Term:
    """One comparison: a number, a text, or one of some texts."""

    kind: str
    key: str
    op: str
    text: str | None = None
    number: float | None = None
    texts: tuple[str, ...] | None = None


class Unsayable(Exception):
    """MLflow's language has no way to say this."""


def parse(text: str) -> Sequence[Term]:
    """The comparisons, all of which must hold. Raises Invalid."""
    reader = _Reader(list(_tokens(text)))
    terms: list[Term] = []
    while reader.more or terms:
        terms.append(_term(reader))
        if len(terms) > MOST_TERMS:
            _refuse(f"may hold at most {MOST_TERMS} comparisons")
        if not reader.more:
            break
        kind, joined = reader.take("and")
        if kind != "word" or joined.upper() != "AND":
            _refuse(f"has {joined!r} where only AND can stand")
    return terms


def render(terms: Sequence[Term]) -> str:
    """The same for MLflow. Raises Unsayable."""
    return " AND ".join(part for term in terms for part in _rendered(term))


class _Reader:
    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self._tokens = tokens
        self._at = 0

    @property
    def more(self) -> bool:
        return self._at < len(self._tokens)

    def peek(self) -> tuple[str, str]:
        return self._tokens[self._at] if self.more else ("end", "")

    def take(self, wanted: str) -> tuple[str, str]:
        if not self.more:
            _refuse(f"ends where {wanted} is missing")
        self._at += 1
        return self._tokens[self._at - 1]


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    rest = text.rstrip()
    at = 0
    while at < len(rest):
        found = _TOKEN.match(rest, at)
        if found is None:
            _refuse(f"cannot be read from {rest[at : at + 20].strip()!r} on")
        at = found.end()
        kind = str(found.lastgroup)
        yield kind, found[kind]


def _term(reader: _Reader) -> Term:
    kind, key = _identifier(reader)
    op = _operator(reader)
    allowed = _allowed(kind, key)
    if op not in allowed:
        _refuse(f"compares {key!r} by {op}; it knows {', '.join(sorted(allowed))}")
    if allowed is FIGURES:
        return Term(kind, key, op, number=_number(reader, key))
    texts = _texts(reader, key) if op.endswith("IN") else (_text(reader, key),)
    if key == "status" and kind == "attribute":
        texts = tuple(_status(text) for text in texts)
    if op.endswith("IN"):
        return Term(kind, key, op, texts=texts)
    return Term(kind, key, op, text=texts[0])


def _identifier(reader: _Reader) -> tuple[str, str]:
    kind, word = reader.take("a name")
    if kind == "text" and word[0] != "'":
        return "attribute", _attribute(word[1:-1])
    if kind != "word":
        _refuse(f"has {word!r} where a name must stand")
    entity, dot, key = word.partition(".")
    if not dot:
        return "attribute", _attribute(word)
    if entity.lower() not in ENTITIES:
        _refuse(f"speaks of {entity!r}; it knows metrics, params, tags and attributes")
    if not key:
        kind, quoted = reader.take("a name")
        if kind != "text" or quoted[0] == "'":
            _refuse(f"has {quoted!r} where a name must stand")
        key = quoted[1:-1]
    if not key:
        _refuse("has a name that is empty")
    of = ENTITIES[entity.lower()]
    return of, _attribute(key) if of == "attribute" else key


def _attribute(name: str) -> str:
    key = name.strip().lower().replace(" ", "_")
    key = ALIASES.get(key, key)
    if key not in ATTRIBUTES:
        _refuse(f"speaks of the attribute {name!r}; it knows {', '.join(ATTRIBUTES)}")
    return key


def _operator(reader: _Reader) -> str:
    _, word = reader.take("a comparison")
    op = word.upper()
    if op == "NOT":
        _, word = reader.take("IN")
        op = f"NOT {word.upper()}"
    return "!=" if op == "<>" else op


def _allowed(kind: str, key: str) -> frozenset[str]:
    if kind == "metric":
        return FIGURES
    return ATTRIBUTES[key] if kind == "attribute" else WORDS


def _number(reader: _Reader, key: str) -> float:
    kind, word = reader.take("a number")
    if kind != "number":
        _refuse(f"compares {key!r} with {word}, which is no number")
    number = float(word)
    if not math.isfinite(number):
        _refuse(f"compares {key!r} with a number that is too large")
    return number


def _text(reader: _Reader, key: str) -> str:
    kind, word = reader.take("a text")
    if kind != "text" or word[0] == "`":
        _refuse(f"compares {key!r} with {word}, which is no text in quotes")
    return word[1:-1]


def _texts(reader: _Reader, key: str) -> tuple[str, ...]:
    if reader.take("(")[1] != "(":
        _refuse(f"has no list in parentheses for {key!r}")
    texts = [_text(reader, key)]
    while (following := reader.take(")")[1]) == ",":
        texts.append(_text(reader, key))
    if following != ")":
        _refuse(f"has a list for {key!r} that does not end")
    return tuple(texts)


def _status(text: str) -> str:
    status = OURS.get(text.upper(), text.lower())
    if status not in THEIRS:
        _refuse(f"speaks of the status {text!r}; it knows {', '.join(THEIRS)}")
    return status


def _rendered(term: Term) -> Iterator[str]:
    key = term.key if term.kind == "attribute" else names.key(term.key)
    name = f"{term.kind}s.{_rendered_key(key)}"
    if term.number is not None:
        yield f"{name} {term.op} {_rendered_number(term)}"
    elif term.texts is None:
        yield f"{name} {term.op} {_quoted(_theirs(term, term.text or ''))}"
    elif term.op == "NOT IN":
        yield from (f"{name} != {_quoted(_theirs(term, text))}" for text in term.texts)
    elif len(term.texts) == 1:
        yield f"{name} = {_quoted(_theirs(term, term.texts[0]))}"
    elif term.key == "run_id" and term.kind == "attribute":
        yield f"{name} IN ({', '.join(map(_quoted, term.texts))})"
    else:
        raise Unsayable


def _rendered_key(key: str) -> str:
    return key if _PLAIN_KEY.fullmatch(key) else f"`{key}`"


def _rendered_number(term: Term) -> str:
    assert term.number is not None
    return str(round(term.number)) if term.kind == "attribute" else repr(term.number)


def _theirs(term: Term, text: str) -> str:
    return THEIRS[text] if term.kind == "attribute" and term.key == "status" else text


def _quoted(text: str) -> str:
    """Without a way to escape, what holds both quotes cannot be said."""
    if "\\" in text or ("'" in text and '"' in text):
        raise Unsayable
    return f'"{text}"' if "'" in text else f"'{text}'"


def _refuse(reason: str) -> NoReturn:
    raise Invalid([Violation(FIELD, reason)])
