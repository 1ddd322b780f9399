"""What the journeys need of the place where they are walked, beside its address."""

import base64
import json
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, NoReturn, Protocol

import jwt
import pytest

from tests.functional.user import User


class World(Protocol):
    """A running installation. What cannot be done there skips the test, and says which of these
    it lacks."""

    def person(self, role: str, project_id: str | None = None) -> User:
        """Somebody with this role: in the journeys' own project, or in another."""
        ...

    def environments(self, job_id: str) -> list[Mapping[str, str]]:
        """What the job's trainers find in their environment."""
        ...

    def has_trainers(self, job_id: str) -> bool:
        """Whether anything of the job still runs."""
        ...

    def kill_trainers(self, job_id: str) -> None:
        """They die without a word."""
        ...

    def preempt(self, job_id: str) -> None:
        """More important work takes the node of the job's pods, which get their grace."""
        ...

    def lose_node(self, job_id: str) -> None:
        """The node of the job's pods is gone with all that ran there."""
        ...

    def store_key(self) -> str:
        """The secret with which the installation itself reaches its S3."""
        ...

    def offering(self, change: Callable[[str], str]) -> AbstractContextManager[None]:
        """The file of GPU types, changed for a while."""
        ...

    def without(self, function: str) -> AbstractContextManager[None]:
        """For a while no event reaches this consumer."""
        ...

    def denying(self, verb: str, resource: str) -> AbstractContextManager[None]:
        """For a while no function may do this with the trainers' Jobs, Secrets or pods."""
        ...

    def put_to_sleep(self, function: str) -> None:
        """Returns when no instance of it runs."""
        ...

    def is_awake(self, function: str) -> bool:
        """Whether an instance of it runs."""
        ...


def lacks(what: str) -> NoReturn:
    """Skips the test where the journeys are walked without this."""
    pytest.skip(f"not here: {what}")


def token_of(ring: Mapping[str, Any], subject: str, project_id: str, role: str) -> str:
    """A user's token, signed with the installation's own key."""
    kid = ring["signing"]
    now = int(time.time())
    claims = {"iss": "eventrain", "aud": "eventrain-api", "sub": subject}
    claims |= {"projects": {project_id: role}, "iat": now, "exp": now + 3600}
    secret = base64.b64decode(ring["keys"][kid]["secret"])
    return jwt.encode(claims, secret, algorithm="HS256", headers={"kid": kid})


def ring_of(text: str) -> Mapping[str, Any]:
    return json.loads(text)
