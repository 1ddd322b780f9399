"""What is asked about projects, and how they are shown."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Path, Query
from pydantic import Field
from typing_extensions import TypedDict

from common.access.quota import Usage
from common.body import Body, Id, Text
from common.tokens.user_token import Role, User

ProjectId = Annotated[Id, Path(alias="projectId")]
Subject = Annotated[
    str, Path(alias="user", min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f]+$")
]
Limit = Annotated[int, Query(ge=1, le=200)]
Cursor = Annotated[str | None, Query(max_length=1024)]
Name = Annotated[Text, Field(min_length=1, max_length=200)]
Most = Annotated[int, Field(ge=0, le=1_000_000)]


class NewProject(Body):
    name: Name
    id: Id | None = None


class NewQuota(Body):
    """Null takes a bound away; what is left out stays."""

    live_jobs: Most | None = None
    gpus: Most | None = None
    gpu_hours_per_month: Annotated[float, Field(ge=0, le=1e9)] | None = None


class Change(Body):
    """What is left out stays as it is."""

    name: Name | None = None
    quota: NewQuota | None = None


class NewRole(Body):
    role: Role


class Quota(TypedDict):
    liveJobs: int | None
    gpus: int | None
    gpuHoursPerMonth: float | None


class Used(TypedDict):
    liveJobs: int
    gpus: int
    gpuHours: float
    since: datetime


class Project(TypedDict):
    id: UUID
    name: str
    role: Role | None
    quota: Quota
    createdBy: str | None
    createdAt: datetime | None


class ProjectWithUsage(Project):
    usage: Used


class Projects(TypedDict):
    projects: list[Project]
    nextCursor: str | None


class Member(TypedDict):
    user: str
    role: Role
    addedBy: str
    addedAt: datetime


class Members(TypedDict):
    members: list[Member]
    nextCursor: str | None


def project(row: Mapping[str, Any], user: User) -> Project:
    return {
        "id": row["id"],
        "name": row["name"],
        "role": user.role_in(row["id"]),
        "quota": {
            "liveJobs": row["max_live_jobs"],
            "gpus": row["max_gpus"],
            "gpuHoursPerMonth": row["max_gpu_hours"],
        },
        "createdBy": row["created_by"],
        "createdAt": row["created_at"],
    }


def used(usage: Usage) -> Used:
    return {
        "liveJobs": usage.live_jobs,
        "gpus": usage.gpus,
        "gpuHours": round(usage.gpu_hours, 3),
        "since": usage.since,
    }


def member(row: Mapping[str, Any]) -> Member:
    return {
        "user": row["subject"],
        "role": row["role"],
        "addedBy": row["added_by"],
        "addedAt": row["added_at"],
    }
