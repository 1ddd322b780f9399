"""The four callbacks of a mock, obeyed under one lock: who speaks, what is said, what is answered."""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from eventrain_trainer.mock import spelling
from eventrain_trainer.mock.answer import Answer, Refusal
from eventrain_trainer.mock.credential import Claims, Unauthenticated

if TYPE_CHECKING:
    from eventrain_trainer.mock.plane import ControlPlane

LARGEST_BODY = 1 << 20
LONGEST_KEY = 1024
STRUCTURED = "application/cloudevents+json"
SCOPE = "mock"
WRITABLE = ("artifacts/", "checkpoints/")
WHAT = ("heartbeat", "event", "addresses", "done")


@dataclass(frozen=True, slots=True)
class Call:
    """One request of a trainer; header names in lower case."""

    what: str
    job_id: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def token(self) -> str:
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token.strip() if scheme.lower() == "bearer" else ""


@dataclass(frozen=True, slots=True)
class Obeyed:
    """What a call came to: its answer, and what was read of it on the way."""

    answer: Answer
    attempt: int = 0
    body: Mapping[str, Any] | None = None
    event_id: str = ""
    repeat: bool = False


class Callbacks:
    def __init__(self, plane: "ControlPlane") -> None:
        self._plane = plane
        self._numbers: dict[tuple[int, str], int] = {}
        self._deeds = {
            "heartbeat": (spelling.HEARTBEAT, self._heartbeat),
            "event": (spelling.EVENT, self._event),
            "addresses": (spelling.ADDRESSES, self._addresses),
            "done": (spelling.DONE, self._done),
        }

    def obey(self, call: Call) -> Obeyed:
        """Never raises: a refusal is an answer."""
        attempt, body, event_id = 0, None, ""
        try:
            claims = self._authenticate(call)
            attempt = claims.attempt
            value, event_id = _content(call)
            rule, deed = self._deeds[call.what]
            body = spelling.check(value, rule)
            data, repeat = deed(body, claims, event_id)
        except Refusal as refusal:
            return Obeyed(refusal.answer, attempt, body, event_id)
        return Obeyed(Answer.success(data), attempt, body, event_id, repeat)

    def _authenticate(self, call: Call) -> Claims:
        plane = self._plane
        try:
            claims = plane.key.read(call.token, plane.job.id, plane.now())
            if call.token in plane.dead_tokens or call.job_id.lower() != plane.job.id:
                raise Unauthenticated("The job token has expired.")
        except Unauthenticated as error:
            bearer = {"WWW-Authenticate": "Bearer"}
            raise Refusal(401, "UNAUTHENTICATED", str(error), headers=bearer) from None
        return claims

    def _heartbeat(self, body: dict[str, Any], claims: Claims, _: str) -> tuple[Any, bool]:
        plane, job = self._plane, self._plane.job
        job.check_attempt(claims.attempt)
        if not job.over:
            job.come_alive(plane.now())
        job.heard(body)
        answer = {"command": job.command, "intervalSeconds": plane.interval}
        if not job.over and (plane.renewing or claims.past_half(plane.now())):
            answer["token"] = plane.issue()
        return answer, False

    def _event(self, body: dict[str, Any], claims: Claims, event_id: str) -> tuple[Any, bool]:
        plane, job = self._plane, self._plane.job
        if body["type"] == "checkpoint_saved":
            self._check_checkpoint(body.get("payload", {}), claims.attempt)
        key = (claims.attempt, event_id or f"plain|{uuid.uuid4()}")
        if key in self._numbers:
            return {"sequence": self._numbers[key]}, True
        job.check_attempt(claims.attempt)
        if not job.over:
            job.come_alive(plane.now())
        self._numbers[key] = len(self._numbers) + 1
        return {"sequence": self._numbers[key]}, False

    def _check_checkpoint(self, payload: dict[str, Any], attempt: int) -> None:
        try:
            spelling.check(payload, spelling.CHECKPOINT)
        except Refusal as refusal:
            raise Refusal.of_field("payload", refusal.message) from None
        self._check_own(payload["uri"], "payload.uri", attempt)

    def _check_own(self, uri: str, field: str, attempt: int) -> None:
        if field == "payload.uri" and not _is_clean(uri):
            raise Refusal.of_field("payload", "is no address")
        prefix = self._plane.store.uri(self._plane.prefix(attempt))
        if not uri.startswith(prefix) or not _is_clean(uri):
            raise Refusal.of_field(field, f"must lie below {prefix}")

    def _addresses(self, body: dict[str, Any], claims: Claims, _: str) -> tuple[Any, bool]:
        plane = self._plane
        plane.job.check_attempt(claims.attempt)
        prefix = plane.prefix(claims.attempt)
        puts = [self._put(put, f"puts.{n}", prefix) for n, put in enumerate(body.get("puts", []))]
        gets = [self._get(name, f"gets.{n}", prefix) for n, name in enumerate(body.get("gets", []))]
        uri = plane.store.uri(prefix)
        return {"prefix": uri, "expiresInSeconds": 3600, "puts": puts, "gets": gets}, False

    def _put(self, put: dict[str, Any], field: str, prefix: str) -> dict[str, Any]:
        plane, name = self._plane, put["name"]
        if not _is_clean(f"s3://x/{name}") or not name.startswith(WRITABLE):
            reason = "must begin with artifacts/ or checkpoints/ and be a clean name"
            raise Refusal.of_field(f"{field}.name", reason)
        key = prefix + name
        found = {"name": name, "uri": plane.store.uri(key)}
        if put.get("uploadId") is None and put["size"] <= plane.large:
            return found | {"url": plane.store.put_address(key)}
        return found | plane.store.parts(key, put, plane.part_size)

    def _get(self, wanted: str, field: str, prefix: str) -> dict[str, Any]:
        store = self._plane.store
        uri = wanted if "://" in wanted else store.uri(prefix + wanted)
        if not _is_clean(uri.removesuffix("/")):
            raise Refusal.of_field(field, "is no address")
        mine = (store.uri(prefix), *(r for r in self._plane.readable if r.endswith("/")))
        if uri not in self._plane.readable and not uri.startswith(mine):
            raise Refusal.of_field(field, "is not this attempt's to read")
        key = store.key(uri)
        if uri.endswith("/"):
            return {"uri": uri, "listUrl": store.list_address(key)}
        found = {"uri": uri, "url": store.get_address(key), "scope": SCOPE}
        return found | self._plane.known(uri)

    def _done(self, body: dict[str, Any], claims: Claims, _: str) -> tuple[Any, bool]:
        plane = self._plane
        for index, artifact in enumerate(body.get("artifacts", [])):
            self._check_own(artifact["uri"], f"artifacts.{index}.uri", claims.attempt)
        changed = plane.job.end(claims.attempt, body, plane.now())
        return plane.job.view(), not changed


def _content(call: Call) -> tuple[Any, str]:
    """The body, and the key of the CloudEvent that it came in."""
    if len(call.body) > LARGEST_BODY:
        message = f"The request body is larger than {LARGEST_BODY} bytes."
        raise Refusal(413, "TOO_LARGE", message)
    value = spelling.parse(call.body)
    event_id, source = call.headers.get("ce-id"), call.headers.get("ce-source")
    if call.headers.get("content-type", "").startswith(STRUCTURED):
        event = spelling.check(value, spelling.CLOUD_EVENT)
        value, event_id, source = event["data"], event["id"], event["source"]
    if not event_id or not source:
        return value, ""
    if len(source.encode()) + len(event_id.encode()) > LONGEST_KEY:
        raise Refusal(400, "UNREADABLE", "The CloudEvent's id is too long.")
    return value, f"{source}|{event_id}"


def _is_clean(uri: str) -> bool:
    scheme, _, rest = uri.partition("://")
    bucket, _, key = rest.partition("/")
    parts = key.split("/")
    printable = key.isprintable() and "\\" not in key
    return scheme == "s3" and bool(bucket) and printable and not {"", ".", ".."} & set(parts)


def read_body(body: bytes) -> Mapping[str, Any]:
    """What can be shown of a body that was refused."""
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
