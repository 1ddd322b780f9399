"""Listings in pages, each page of one listing read at the same revision."""

import base64
import json
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import NamedTuple

from infra.local.cluster.resource import Key, Resource
from infra.local.cluster.selector import FieldMatches, Matches, match_fields, match_labels
from infra.local.cluster.status import Refused, bad_request, expired
from infra.local.cluster.store import Row, Store

_LATEST = 0


class Continue(NamedTuple):
    """Where the next page starts, and the revision that it is read at (0: the newest)."""

    revision: int
    namespace: str
    name: str

    def write(self) -> str:
        text = json.dumps({"v": "meta.k8s.io/v1", "rv": self.revision, "start": self[1:]})
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    @staticmethod
    def read(token: str) -> "Continue":
        try:
            padded = token + "=" * (-len(token) % 4)
            found = json.loads(base64.urlsafe_b64decode(padded))
            namespace, name = found["start"]
            return Continue(int(found["rv"]), str(namespace), str(name))
        except (ValueError, KeyError, TypeError) as error:
            raise bad_request("continue key is not valid") from error


class Query(NamedTuple):
    limit: int
    after: Continue | None
    revision: int | None
    exact: bool
    labels: str
    fields: str

    @staticmethod
    def read(params: Mapping[str, str]) -> "Query":
        token = params.get("continue", "")
        match = params.get("resourceVersionMatch", "")
        if match not in ("", "Exact", "NotOlderThan"):
            raise bad_request(f'resourceVersionMatch: Unsupported value: "{match}"')
        return Query(
            limit=_number(params, "limit") or 0,
            after=Continue.read(token) if token else None,
            revision=_number(params, "resourceVersion"),
            exact=match == "Exact",
            labels=params.get("labelSelector", ""),
            fields=params.get("fieldSelector", ""),
        )


class Page(NamedTuple):
    items: list[str]
    revision: int
    next: str
    remaining: int | None

    def write(self, resource: Resource) -> bytes:
        metadata: dict[str, str | int] = {"resourceVersion": str(self.revision)}
        if self.next:
            metadata["continue"] = self.next
        if self.remaining is not None:
            metadata["remainingItemCount"] = self.remaining
        head = {"kind": f"{resource.kind}List", "apiVersion": resource.api_version}
        opening = json.dumps(head | {"metadata": metadata})[:-1]
        return f'{opening}, "items": [{",".join(self.items)}]}}'.encode()


def list_page(store: Store, resource: Resource, namespace: str | None, query: Query) -> Page:
    """Raises Refused: 410 for a revision that is no longer there, 400 for a bad parameter."""
    revision = _revision(store, query)
    start = Key(resource.plural, *query.after[1:]) if query.after else None
    rows = _select(
        store.rows(resource.plural, namespace, revision, start),
        match_labels(query.labels),
        match_fields(query.fields) if query.fields else None,
    )
    if not query.limit:
        return Page([row.body for row in rows], revision, "", None)
    taken = list(islice(rows, query.limit))
    if next(rows, None) is None:
        return Page([row.body for row in taken], revision, "", None)
    token = Continue(revision, taken[-1].namespace, taken[-1].name).write()
    rest = None if query.labels or query.fields else 1 + sum(1 for _ in rows)
    return Page([row.body for row in taken], revision, token, rest)


def _revision(store: Store, query: Query) -> int:
    current = store.revision
    if query.after:
        wanted = query.after.revision
        if wanted != _LATEST and wanted < store.compacted:
            raise expired(Continue(_LATEST, *query.after[1:]).write())
        return wanted or current
    if query.exact:
        if not query.revision:
            raise bad_request("resourceVersionMatch Exact needs a resourceVersion")
        if query.revision < store.compacted:
            raise expired()
        return query.revision
    if query.revision and query.revision > current:
        message = f"Too large resource version: {query.revision}, current: {current}"
        raise Refused(504, "Timeout", message, retry_after=1)
    return current


def _select(rows: Iterator[Row], labels: Matches, fields: FieldMatches | None) -> Iterator[Row]:
    for row in rows:
        if not labels(json.loads(row.labels)):
            continue
        if fields is None or fields(json.loads(row.body)):
            yield row


def _number(params: Mapping[str, str], name: str) -> int | None:
    text = params.get(name, "")
    if not text:
        return None
    if not text.isdecimal():
        raise bad_request(f'strconv.ParseUint: parsing "{text}": invalid syntax')
    return int(text)
