"""What can be wrong, in the words of the domain.

    EventrainError
    ├── Unreadable              what was sent cannot be read at all
    │   └── Poison              an event that no repetition will make readable
    ├── Unauthenticated         nobody vouches for the caller
    ├── Forbidden               the caller is known and may not
    ├── NotFound                it is not there, or another project owns it
    ├── MethodNotAllowed        the path is right, the verb is not
    ├── Conflict                it contradicts what is already so
    │   ├── StaleAttempt        an older attempt speaks
    │   ├── InUse               something depends on it; what does is told
    │   └── IdempotencyMismatch the key was used for something else
    ├── TooLarge                more bytes than we take
    ├── Invalid                 readable, but against a rule; every violation by field
    │   └── OverQuota           the project has used up what it may use
    ├── TooMany                 the caller must slow down
    └── Unavailable             we cannot just now
        └── Later               an event that must be delivered again

Errors know meaning, not HTTP: `common.answers` holds the table that maps them. An error's
docstring is its message when none is given.
"""

import inspect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule that one field breaks. The field is a dotted path, as the sender wrote it."""

    field: str
    reason: str


class EventrainError(Exception):
    """Something went wrong."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or inspect.cleandoc(type(self).__doc__ or ""))

    @property
    def message(self) -> str:
        return str(self)

    @property
    def details(self) -> Mapping[str, object]:
        """What a program may want to know beside the code."""
        return {"errors": []}


class Unreadable(EventrainError):
    """The request cannot be read."""


class Poison(Unreadable):
    """The event cannot be understood, however often it is delivered."""


class Unauthenticated(EventrainError):
    """A valid Bearer token is required."""


class Forbidden(EventrainError):
    """Your role does not allow this."""


class NotFound(EventrainError):
    """There is no such thing here."""


class MethodNotAllowed(EventrainError):
    """This path does not offer that method."""

    def __init__(self, allowed: Iterable[str], message: str | None = None) -> None:
        self.allowed = tuple(sorted(set(allowed)))
        super().__init__(message)


class Conflict(EventrainError):
    """This contradicts the present state."""


class StaleAttempt(Conflict):
    """A newer attempt of this job has taken over; stop."""

    @property
    def details(self) -> Mapping[str, object]:
        return {"command": "stop"}


class InUse(Conflict):
    """Something depends on it."""

    def __init__(self, dependents: Sequence[Mapping[str, object]] = ()) -> None:
        self.dependents = tuple(dependents)
        named = ", ".join(
            f"{each['kind']} {each['name']} ({each['id']})" for each in dependents[:3]
        )
        more = f" and {len(dependents) - 3} more" if len(dependents) > 3 else ""
        told = f"In use by {named}{more}. Models that are deprecated do not count."
        super().__init__(told if dependents else None)

    @property
    def details(self) -> Mapping[str, object]:
        return {"errors": [], "dependents": self.dependents}


class IdempotencyMismatch(Conflict):
    """This idempotency key was used for a different request."""


class TooLarge(EventrainError):
    """The request body is too large."""


class Invalid(EventrainError):
    """The request breaks a rule."""

    def __init__(self, violations: Iterable[Violation], message: str | None = None) -> None:
        self.violations = tuple(violations)
        super().__init__(message or _summary(self.violations))

    @property
    def details(self) -> Mapping[str, object]:
        return {"errors": [{"field": v.field, "reason": v.reason} for v in self.violations]}


class OverQuota(Invalid):
    """The project's quota is used up."""


class TooMany(EventrainError):
    """Too many requests; slow down."""

    def __init__(self, message: str | None = None, *, retry_after: int = 1) -> None:
        self.retry_after = retry_after
        super().__init__(message)


class Unavailable(EventrainError):
    """This is not available just now; try again."""

    def __init__(self, message: str | None = None, *, retry_after: int = 1) -> None:
        self.retry_after = retry_after
        super().__init__(message)


class Later(Unavailable):
    """The event cannot be handled yet; deliver it again."""


def _summary(violations: tuple[Violation, ...]) -> str | None:
    if not violations:
        return None
    first = f"{violations[0].field}: {violations[0].reason}"
    more = len(violations) - 1
    return f"{first} (and {more} more)" if more else first
