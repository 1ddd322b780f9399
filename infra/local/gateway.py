"""The front door: reads the HTTPRoutes and sends each request to its function.

Precedence as in Envoy Gateway: Exact before RegularExpression before PathPrefix, longer before
shorter, with a method before without.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import aiohttp
from starlette.types import Receive, Scope, Send

from infra.local import proxy
from infra.local.functions import Functions
from infra.local.manifests import Manifest, name_of
from infra.local.problem import ManifestProblem

KINDS = ("Exact", "RegularExpression", "PathPrefix")


@dataclass(frozen=True)
class Rule:
    """One match of one route, and the function it leads to."""

    kind: str
    path: str
    method: str | None
    function: str

    @property
    def rank(self) -> tuple[int, int, bool]:
        return KINDS.index(self.kind), -len(self.path), self.method is None

    def matches(self, method: str, path: str) -> bool:
        if self.method is not None and self.method != method:
            return False
        match self.kind:
            case "Exact":
                return path == self.path
            case "RegularExpression":
                return re.fullmatch(self.path, path) is not None
            case _:
                prefix = self.path.rstrip("/")
                return path == prefix or path.startswith(prefix + "/")


class Routes:
    def __init__(self, manifests: Iterable[Manifest]) -> None:
        rules = [rule for manifest in manifests for rule in _rules(manifest)]
        self.rules = tuple(sorted(rules, key=lambda rule: rule.rank))

    def resolve(self, method: str, path: str) -> str | None:
        """The function's name, or None where no route matches."""
        return next((r.function for r in self.rules if r.matches(method, path)), None)


class Gateway:
    """An ASGI app."""

    def __init__(
        self,
        routes: Routes,
        functions: Functions,
        session: aiohttp.ClientSession,
        report: Callable[[str], None],
    ) -> None:
        self._routes = routes
        self._functions = functions
        self._session = session
        self._report = report
        for rule in routes.rules:
            functions.require(rule.function, wanted_by=f"the route {rule.path}")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        path = (scope.get("raw_path") or b"/").decode("latin-1")
        name = self._routes.resolve(scope["method"], path)
        if name is None:
            await proxy.fail(scope, send, 404, f"Nothing is served at {path}.")
            return
        exchange = proxy.Exchange(self._functions[name], self._session, scope, send)
        try:
            await exchange.run(receive)
        except ConnectionAbortedError as problem:
            self._report(str(problem))
            raise


def _rules(manifest: Manifest) -> Iterator[Rule]:
    for rule in manifest["spec"]["rules"]:
        function = _function(manifest, rule)
        for match in rule.get("matches", [{}]):
            path = match.get("path", {})
            kind = path.get("type", "PathPrefix")
            if kind not in KINDS or set(match) - {"path", "method"}:
                raise ManifestProblem(f"HTTPRoute {name_of(manifest)} matches by {match}, unknown.")
            yield Rule(kind, path.get("value", "/"), match.get("method"), function)


def _function(manifest: Manifest, rule: Manifest) -> str:
    """The first label of the host name that the route rewrites to."""
    for action in rule.get("filters", []):
        if action["type"] == "URLRewrite" and "hostname" in action["urlRewrite"]:
            return str(action["urlRewrite"]["hostname"]).partition(".")[0]
    raise ManifestProblem(f"HTTPRoute {name_of(manifest)} rewrites no host name to a function's.")
