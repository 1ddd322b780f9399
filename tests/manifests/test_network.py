"""Who may speak to whom."""

from tests.manifests.objects import Manifest, name_of, of_kind, services

POLICIES = {name_of(p): p for p in of_kind("NetworkPolicy", "networking.k8s.io")}
DNS = [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]


def labels_of(service: Manifest) -> dict[str, str]:
    return service["spec"]["template"]["metadata"]["labels"]


class TestTrainers:
    POLICY = POLICIES["trainers"]

    def test_are_all_under_the_policy_in_both_directions(self) -> None:
        assert self.POLICY["metadata"]["namespace"] == "eventrain-trainers"
        assert self.POLICY["spec"]["podSelector"] == {}
        assert self.POLICY["spec"]["policyTypes"] == ["Ingress", "Egress"]

    def test_are_reached_by_nobody(self) -> None:
        assert self.POLICY["spec"]["ingress"] == []

    def test_reach_the_callback_functions_and_names_and_nothing_else(self) -> None:
        names, ingress = self.POLICY["spec"]["egress"]
        assert names["ports"] == DNS
        selected = [
            to["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]
            for rule in (names, ingress)
            for to in rule["to"]
        ]
        assert selected == ["kube-system", "kourier-system"]


class TestFunctions:
    POLICY = POLICIES["functions"]

    def test_are_all_under_the_policy_in_both_directions(self) -> None:
        selector = self.POLICY["spec"]["podSelector"]["matchLabels"]
        assert self.POLICY["metadata"]["namespace"] == "eventrain"
        assert self.POLICY["spec"]["policyTypes"] == ["Ingress", "Egress"]
        pods = [*services(), *of_kind("Job", "batch")]
        assert all(selector.items() <= labels_of(pod).items() for pod in pods)

    def test_are_called_by_the_ingress_and_by_knative_only(self) -> None:
        (rule,) = self.POLICY["spec"]["ingress"]
        (source,) = rule["from"]
        (expression,) = source["namespaceSelector"]["matchExpressions"]
        assert set(expression["values"]) == {"kourier-system", "knative-serving"}


def test_only_those_that_hold_a_token_reach_the_api_server() -> None:
    (expression,) = POLICIES["kubernetes-callers"]["spec"]["podSelector"]["matchExpressions"]
    holders = {
        name_of(s)
        for s in services()
        if s["spec"]["template"]["spec"]["automountServiceAccountToken"]
    }
    assert (expression["key"], expression["operator"]) == ("app.kubernetes.io/name", "In")
    assert set(expression["values"]) == holders
