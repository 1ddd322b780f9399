"""Misbehaviour on demand, and a record of what was asked.

    faults.add("quota", verb="create", resource="jobs", times=2)
    faults.add("cut-after", verb="create", resource="secrets")
    faults.add("expired", resource="pods", skip=1)
    faults.on("create", "jobs", kill_the_launcher, after=True)

Kinds: `slow` (with `seconds`); answers without effect: `too-many-requests` 429, `internal` 500,
`unavailable` 503, `timeout` 504, `quota` and `forbidden` 403, `conflict` 409, `invalid` 422;
`cut-before` and `cut-after` the effect, where the connection ends within the answer; for
listings: `expired` (410, second and later pages only), `duplicate` (the first item twice) and
`empty` (as if asked in the wrong namespace).

A fault is chosen by verb, resource and name (`*` fits all), lets the first `skip` requests
through, and hits the next `times` (None: until cleared). Verbs are get, list, create, update,
patch, delete; resources are plurals, also `pods/log` and `jobs/status`.
"""

import itertools
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Literal, cast, get_args

from infra.local.cluster import status
from infra.local.cluster.resource import JOBS, Json, Resource, named
from infra.local.cluster.status import Cause, Refused

Kind = Literal[
    "slow",
    "too-many-requests",
    "internal",
    "unavailable",
    "timeout",
    "quota",
    "forbidden",
    "conflict",
    "invalid",
    "cut-before",
    "cut-after",
    "expired",
    "duplicate",
    "empty",
]
Hook = Callable[[], Awaitable[None] | None]


@dataclass(frozen=True)
class Act:
    """What a request asks for; `paged` when it continues a listing."""

    verb: str
    resource: str
    namespace: str
    name: str
    paged: bool = False


@dataclass(frozen=True)
class Seen:
    at: datetime
    act: Act
    code: int | None


@dataclass
class Fault:
    id: int
    kind: Kind
    verb: str = "*"
    resource: str = "*"
    name: str = "*"
    times: int | None = 1
    skip: int = 0
    seconds: float = 0.0
    retry_after: int | None = None
    message: str = ""

    def fits(self, act: Act) -> bool:
        if self.kind in ("duplicate", "empty") and act.verb != "list":
            return False
        if self.kind == "expired" and not act.paged:
            return False
        wanted = ((self.verb, act.verb), (self.resource, act.resource), (self.name, act.name))
        return all(fnmatchcase(given, pattern) for pattern, given in wanted)

    def strikes(self) -> bool:
        """Counts a request that fits."""
        if self.skip:
            self.skip -= 1
            return False
        if self.times is not None:
            self.times -= 1
        return True


@dataclass
class _Watch:
    verb: str
    resource: str
    call: Hook
    after: bool
    times: int | None


@dataclass
class Faults:
    active: list[Fault] = field(default_factory=list[Fault])
    seen: deque[Seen] = field(default_factory=lambda: deque[Seen](maxlen=100_000))
    _watches: list[_Watch] = field(default_factory=list[_Watch])
    _ids: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def add(
        self,
        kind: str,
        *,
        verb: str = "*",
        resource: str = "*",
        name: str = "*",
        times: int | None = 1,
        skip: int = 0,
        seconds: float = 0.0,
        retry_after: int | None = None,
        message: str = "",
    ) -> int:
        """Raises ValueError for a kind that is not known."""
        if kind not in get_args(Kind):
            raise ValueError(f"no fault {kind!r}: one of {', '.join(get_args(Kind))}")
        known, number = cast(Kind, kind), next(self._ids)
        fault = Fault(
            number, known, verb, resource, name, times, skip, seconds, retry_after, message
        )
        self.active.append(fault)
        return number

    def on(
        self, verb: str, resource: str, call: Hook, *, after: bool = False, times: int | None = 1
    ) -> None:
        """Calls before the effect, or after it and before the answer."""
        self._watches.append(_Watch(verb, resource, call, after, times))

    def clear(self, number: int | None = None) -> None:
        self.active = [each for each in self.active if number not in (None, each.id)]
        if number is None:
            self._watches.clear()

    def count(self, verb: str = "*", resource: str = "*", name: str = "*") -> int:
        wanted = Fault(0, "slow", verb, resource, name)
        return sum(wanted.fits(each.act) for each in self.seen)

    def strike(self, act: Act) -> list[Fault]:
        struck = [each for each in self.active if each.fits(act) and each.strikes()]
        self.active = [each for each in self.active if each.times is None or each.times > 0]
        return struck

    def calls(self, act: Act, *, after: bool) -> list[Hook]:
        due = [each for each in self._watches if each.after == after and _watches(each, act)]
        for each in due:
            each.times = None if each.times is None else each.times - 1
        self._watches = [each for each in self._watches if each.times is None or each.times > 0]
        return [each.call for each in due]


def refusal(fault: Fault, act: Act) -> Refused | None:
    """The answer that takes the place of the effect."""
    plural = act.resource.partition("/")[0]
    resource = named(plural) if plural in _PLURALS else JOBS
    if fault.kind == "expired":
        return status.expired()
    if fault.kind in _PLAIN:
        code, reason, message = _PLAIN[fault.kind]
        after = fault.retry_after
        if after is None and code in (429, 503):
            after = 1
        return Refused(code, reason, fault.message or message, retry_after=after)
    return _about_object(fault, resource, act.name)


_PLURALS = ("secrets", "configmaps", "pods", "events", "jobs")
_PLAIN = {
    "too-many-requests": (
        429,
        "TooManyRequests",
        "The server has received too many requests and has asked us to try again later",
    ),
    "internal": (500, "InternalError", "Internal error occurred: etcdserver: request timed out"),
    "unavailable": (503, "ServiceUnavailable", "the server is currently unable to handle it"),
    "timeout": (504, "Timeout", "Timeout: request did not complete within the allotted timeout"),
}


def _about_object(fault: Fault, resource: Resource, name: str) -> Refused | None:
    if fault.kind == "quota":
        counted = f"count/{resource.qualified}"
        why = f"exceeded quota: trainers, requested: {counted}=1, used: {counted}=10, "
        why += f"limited: {counted}=10"
        return status.forbidden(resource, name, fault.message or why)
    if fault.kind == "forbidden":
        why = f'User "system:anonymous" cannot access resource "{resource.plural}"'
        return status.forbidden(resource, name, fault.message or why)
    if fault.kind == "conflict":
        return status.conflict(resource, name, fault.message)
    if fault.kind == "invalid":
        message = fault.message or "Invalid value: refused on demand"
        return status.invalid(resource, name, [Cause("FieldValueInvalid", "spec", message)])
    return None


def _watches(watch: _Watch, act: Act) -> bool:
    return fnmatchcase(act.verb, watch.verb) and fnmatchcase(act.resource, watch.resource)


def describe(fault: Fault) -> Json:
    return dict(vars(fault))
