import pytest

from infra.local.gateway import Routes
from infra.local.problem import ManifestProblem


def route(name: str, *matches: dict[str, object]) -> dict[str, object]:
    rewrite = {"hostname": f"{name}.eventrain.svc.cluster.local"}
    filters = [{"type": "URLRewrite", "urlRewrite": rewrite}]
    return {
        "metadata": {"name": name},
        "spec": {"rules": [{"matches": list(matches), "filters": filters}]},
    }


def path(kind: str, value: str, **more: object) -> dict[str, object]:
    return {"path": {"type": kind, "value": value}, **more}


class TestRoutes:
    def test_an_exact_path_goes_before_a_pattern_and_a_pattern_before_a_longer_prefix(self) -> None:
        routes = Routes(
            [
                route("prefix", path("PathPrefix", "/jobs/a/very/long/prefix")),
                route("pattern", path("RegularExpression", "/jobs/.*")),
                route("exact", path("Exact", "/jobs/a")),
            ]
        )
        assert routes.resolve("GET", "/jobs/a") == "exact"
        assert routes.resolve("GET", "/jobs/a/very/long/prefix/x") == "pattern"

    def test_a_longer_prefix_goes_before_a_shorter_one(self) -> None:
        routes = Routes(
            [
                route("short", path("PathPrefix", "/v1")),
                route("long", path("PathPrefix", "/v1/jobs")),
            ]
        )
        assert routes.resolve("GET", "/v1/jobs/7") == "long"
        assert routes.resolve("GET", "/v1/models") == "short"

    def test_a_match_with_a_method_goes_before_one_without(self) -> None:
        routes = Routes(
            [
                route("any", path("Exact", "/jobs")),
                route("submit", path("Exact", "/jobs", method="POST")),
            ]
        )
        assert routes.resolve("POST", "/jobs") == "submit"
        assert routes.resolve("GET", "/jobs") == "any"

    def test_a_prefix_ends_at_a_slash(self) -> None:
        routes = Routes([route("jobs", path("PathPrefix", "/jobs"))])
        assert routes.resolve("GET", "/jobs") == "jobs"
        assert routes.resolve("GET", "/jobs/") == "jobs"
        assert routes.resolve("GET", "/jobsearch") is None

    def test_a_pattern_must_match_the_whole_path(self) -> None:
        routes = Routes([route("beat", path("RegularExpression", "/v1/jobs/[^/]+/heartbeat"))])
        assert routes.resolve("POST", "/v1/jobs/7/heartbeat") == "beat"
        assert routes.resolve("POST", "/v1/jobs/7/heartbeat/more") is None
        assert routes.resolve("POST", "/x/v1/jobs/7/heartbeat") is None

    def test_a_rule_without_matches_takes_everything(self) -> None:
        found = route("all")
        del found["spec"]["rules"][0]["matches"]  # type: ignore[index]
        assert Routes([found]).resolve("GET", "/whatever") == "all"

    def test_a_match_that_is_not_known_here_is_refused(self) -> None:
        with pytest.raises(ManifestProblem, match="matches by"):
            Routes([route("jobs", path("Exact", "/jobs", headers=[{"name": "x", "value": "y"}]))])
