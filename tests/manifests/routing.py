"""Which function a request reaches, by reading the routes as Envoy Gateway orders them."""

import re
from collections.abc import Iterator
from typing import Any

from tests.manifests.objects import Manifest

ORDER = ("PathPrefix", "RegularExpression", "Exact")
Match = dict[str, Any]


def resolve(routes: list[Manifest], method: str, path: str) -> str | None:
    """The function's name, from the host that its rule rewrites to."""
    fitting = [
        (_rank(match), function)
        for match, function in _matches(routes)
        if _fits(match, method, path)
    ]
    return max(fitting)[1] if fitting else None


def _matches(routes: list[Manifest]) -> Iterator[tuple[Match, str]]:
    for rule in (rule for route in routes for rule in route["spec"]["rules"]):
        (rewrite,) = rule["filters"]
        function = rewrite["urlRewrite"]["hostname"].partition(".")[0]
        yield from ((match, function) for match in rule["matches"])


def _fits(match: Match, method: str, path: str) -> bool:
    kind, value = match["path"]["type"], match["path"]["value"]
    if match.get("method", method) != method:
        return False
    if kind == "Exact":
        return path == value
    if kind == "RegularExpression":
        return re.fullmatch(value, path) is not None
    return path == value or path.startswith(f"{value}/")


def _rank(match: Match) -> tuple[int, int, bool]:
    path = match["path"]
    return ORDER.index(path["type"]), len(path["value"]), "method" in match
