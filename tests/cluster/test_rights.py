"""What each function's account may do in the cluster, as the cluster itself answers."""

import itertools

import pytest
from kubernetes import client
from kubernetes.client import ApiException

from tests.cluster.settings import ClusterSettings
from tests.cluster.there import There
from tests.functional.world import lacks
from tests.manifests.objects import name_of, of_kind
from tests.manifests.test_rights import ROLES, Right, granted

ACCOUNTS = sorted(name_of(account) for account in of_kind("ServiceAccount"))
GROUPS = {"jobs": "batch", "secrets": "", "pods": "", "pods/log": "", "configmaps": ""}
GROUPS |= {"triggers": "eventing.knative.dev"}
VERBS = ("create", "get", "list", "watch", "update", "patch", "delete", "deletecollection")
EVERYTHING = set(itertools.product(GROUPS, VERBS))


def allowed(world: There, account: str, namespace: str, right: Right) -> bool:
    """Asks the API server, which authorises the account itself."""
    resource, _, part = right[0].partition("/")
    asked = client.V1ResourceAttributes(
        namespace=namespace,
        group=GROUPS[right[0]],
        resource=resource,
        subresource=part or None,
        verb=right[1],
    )
    spec = client.V1SubjectAccessReviewSpec(user=account, resource_attributes=asked)
    review = client.V1SubjectAccessReview(spec=spec)
    try:
        answer = client.AuthorizationV1Api(world.api).create_subject_access_review(review)
    except ApiException as refused:
        if refused.status not in (403, 404):
            raise
        lacks("an API server that says who may do what")
    return bool(answer.status.allowed)


@pytest.mark.parametrize("account", ACCOUNTS)
def test_an_account_may_do_what_its_role_grants_and_nothing_else(
    world: There, settings: ClusterSettings, account: str
) -> None:
    subject = f"system:serviceaccount:{settings.namespace}:{account}"
    homes = {name_of(role): role["metadata"]["namespace"] for role in ROLES}
    named = {"eventrain": settings.namespace, "eventrain-trainers": settings.trainer_namespace}
    for written, namespace in named.items():
        rights = granted(account) if homes.get(account) == written else set()
        found = {right for right in EVERYTHING if allowed(world, subject, namespace, right)}
        assert found == rights, namespace


def test_a_trainer_may_do_nothing(world: There, settings: ClusterSettings) -> None:
    subject = f"system:serviceaccount:{settings.trainer_namespace}:default"
    for namespace in (settings.trainer_namespace, settings.namespace):
        assert not [right for right in EVERYTHING if allowed(world, subject, namespace, right)]
