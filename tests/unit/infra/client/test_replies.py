"""What the client says of an answer is what the functions answer."""

from typing import Any

import pytest
from eventrain_client import admin_replies, catalog_replies, replies, request

from common.jobs import course, history, view
from common.jobs import request as asked
from functions.audit import schema as audit
from functions.datasets import schema as datasets
from functions.ledger import schema as ledger
from functions.models import schema as models
from functions.projects import schema as projects
from functions.tokens import schema as tokens

PAIRS: list[tuple[Any, Any]] = [
    (replies.Job, view.JobView),
    (replies.Change, history.Change),
    (replies.Attempt, history.Attempt),
    (replies.Checkpoint, history.Checkpoint),
    (replies.Artifact, history.Artifact),
    (replies.LogLine, history.LogLine),
    (replies.Metric, history.Metric),
    (replies.Point, course.Point),
    (catalog_replies.Model, models.Model),
    (catalog_replies.Receipt, models.Receipt),
    (catalog_replies.Dataset, datasets.Dataset),
    (catalog_replies.Preview, datasets.Preview),
    (admin_replies.Project, projects.ProjectWithUsage),
    (admin_replies.Member, projects.Member),
    (admin_replies.Token, tokens.Token),
    (admin_replies.TokenSecrets, tokens.Secrets),
    (admin_replies.AuditEntry, audit.Entry),
    (admin_replies.LedgerEntry, ledger.Entry),
]


def fields(kind: Any) -> set[str]:
    model = getattr(kind, "model_fields", None)
    if model is None:
        return set(kind.__annotations__)
    return {field.serialization_alias or name for name, field in model.items()}


@pytest.mark.parametrize(("told", "answered"), PAIRS, ids=[each[0].__name__ for each in PAIRS])
def test_names_the_fields_that_are_answered(told: Any, answered: Any) -> None:
    assert fields(told) == fields(answered)


@pytest.mark.parametrize(
    ("wanted", "read"),
    [
        (request.JobRequest, asked.JobRequest),
        (request.ResourceProfile, asked.ResourceProfile),
        (request.Trainer, asked.Trainer),
        (request.RetryPolicy, asked.RetryPolicy),
        (request.Notifications, asked.Notifications),
        (request.CodeSource, asked.Source),
        (request.StartFrom, asked.CheckpointChoice),
    ],
    ids=lambda kind: kind.__name__,
)
def test_asks_with_the_fields_that_are_read(wanted: Any, read: Any) -> None:
    spelled = {field.alias or name for name, field in read.model_fields.items()}
    assert set(wanted.__annotations__) == spelled
