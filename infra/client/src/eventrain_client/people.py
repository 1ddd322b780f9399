"""Projects with their members, and tokens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic
from urllib.parse import quote

from eventrain_client.admin_replies import Member, Project, Token, TokenPage, TokenSecrets
from eventrain_client.calls import D, call, course
from eventrain_client.exchange import Exchange
from eventrain_client.flow import Course, Flow

PROJECTS = "/projects"
TOKENS = "/tokens"


@dataclass(frozen=True)
class Projects(Generic[D]):
    exchange: Exchange
    driver: D

    @course
    def list(self) -> Course[Project]:
        return self.exchange.rows(PROJECTS, "projects")

    @call
    def get(self, project_id: str) -> Flow[Project]:
        """With its quota, and what of it is used."""
        return self.exchange.ask("GET", _project(project_id))

    @call
    def create(self, name: str) -> Flow[Project]:
        """For who administers the installation."""
        return self.exchange.ask("POST", PROJECTS, json={"name": name})

    @call
    def set_quota(self, project_id: str, quota: Mapping[str, Any]) -> Flow[Project]:
        """None takes a bound away, what is left out stays. For who administers the installation."""
        body = {"quota": dict(quota)}
        return self.exchange.ask("PATCH", _project(project_id), json=body, repeatable=True)

    @course
    def members(self, project_id: str) -> Course[Member]:
        return self.exchange.rows(f"{_project(project_id)}/members", "members")

    @call
    def add_member(self, project_id: str, user: str, role: str = "member") -> Flow[Member]:
        """Gives somebody a role (viewer, member, admin), or another than before."""
        return self.exchange.ask("PUT", _member(project_id, user), json={"role": role})

    @call
    def remove_member(self, project_id: str, user: str) -> Flow[Member]:
        return self.exchange.ask("DELETE", _member(project_id, user))


@dataclass(frozen=True)
class Tokens(Generic[D]):
    exchange: Exchange
    driver: D

    @call
    def create(self, token: Mapping[str, Any]) -> Flow[TokenSecrets]:
        """`token` is {name, kind: person|machine, projectId, role, expiresInSeconds, refreshable}."""
        return self.exchange.ask("POST", TOKENS, json=dict(token))

    @course
    def list(self, *, project_id: str | None = None) -> Course[Token]:
        """Your own, or those of a project's machines."""
        return self.exchange.rows(TOKENS, "tokens", {"projectId": project_id})

    @call
    def page(self, *, project_id: str | None = None, cursor: str | None = None) -> Flow[TokenPage]:
        params = {"projectId": project_id, "cursor": cursor}
        return self.exchange.ask("GET", TOKENS, params=params)

    @call
    def revoke(self, token_id: str) -> Flow[Token]:
        """With all that came from it by refreshing."""
        return self.exchange.ask("DELETE", f"{TOKENS}/{quote(token_id, safe='')}")

    @call
    def refresh(self, refresh_token: str) -> Flow[TokenSecrets]:
        """A refresh token can be used once, so this is not repeated when the answer is lost."""
        return self.exchange.ask("POST", f"{TOKENS}/refresh", json={"refreshToken": refresh_token})


def _project(project_id: str) -> str:
    return f"{PROJECTS}/{quote(project_id, safe='')}"


def _member(project_id: str, user: str) -> str:
    return f"{_project(project_id)}/members/{quote(user, safe='')}"
