"""Bytes to S3 by presigned addresses only: a trainer holds no key.

Addresses are asked for when they are needed and again for each new try, so that none is used
past its hour. What is large goes up in parts. A digest, where one is known, is always checked.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import IO, Any, Protocol, TypeVar
from xml.etree import ElementTree

from eventrain_trainer.addresses import Addresses, TransferError
from eventrain_trainer.download import digest
from eventrain_trainer.patience import Backoff, Deadline
from eventrain_trainer.wire import Answer, Unreachable, Wire

TRIES_REFUSED = 5

Outcome = TypeVar("Outcome")


class Overwritten(TransferError):
    """The file was written to before it was stored, so nothing vouches for it."""


@dataclass(frozen=True, slots=True)
class Stored:
    name: str
    uri: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Listed:
    """An object as a listing shows it."""

    uri: str
    size: int | None
    etag: str


class Hasher(Protocol):
    def update(self, block: bytes, /) -> None: ...

    def hexdigest(self) -> str: ...


class Slice:
    """A part of a file, read as if it were a file of its own; what was read is hashed."""

    def __init__(self, file: IO[bytes], size: int, sent: Hasher) -> None:
        self._file, self._left, self._sent = file, size, sent

    def read(self, most: int = -1) -> bytes:
        wanted = self._left if most < 0 else min(most, self._left)
        block = self._file.read(wanted)
        self._left -= len(block)
        self._sent.update(block)
        return block


class Transfer:
    def __init__(self, *, addresses: Addresses, wire: Wire) -> None:
        self._addresses, self._wire = addresses, wire

    def upload(self, path: Path, key: Callable[[str], str], deadline: Deadline) -> Stored:
        """Returns once the whole file is stored under `key(its digest)`; raises TransferError."""
        size, sha256 = path.stat().st_size, digest(path)
        name = key(sha256)
        wanted = {"name": name, "size": size, "sha256": sha256}
        uri = self.persist(deadline, lambda: self._put(path, wanted))
        return Stored(name, uri, sha256, size)

    def listing(self, prefix: str, deadline: Deadline) -> list[Listed]:
        """What lies below a prefix that ends in a slash."""
        return self.persist(deadline, lambda: list(self._list(prefix)))

    def put_result(self, url: str, body: bytes) -> bool:
        try:
            answer = self._wire.send("PUT", url, body, {"Content-Type": "application/json"})
        except Unreachable:
            return False
        return answer.status in (HTTPStatus.OK, HTTPStatus.NO_CONTENT)

    def persist(self, deadline: Deadline, attempt: Callable[[], Outcome]) -> Outcome:
        """Tries until it works, the deadline is over, or S3 has refused too often."""
        backoff, refusals = Backoff(0.5, 30.0), 0
        while True:
            try:
                return attempt()
            except Unreachable as error:
                reason = str(error)
            except _RefusedByStore as error:
                reason = str(error)
                refusals += 1
            if refusals >= TRIES_REFUSED or not deadline.pause(backoff.next()):
                raise TransferError(reason)

    def _put(self, path: Path, wanted: Mapping[str, Any]) -> str:
        put = self._addresses.put(wanted)
        sent = hashlib.sha256()
        with path.open("rb") as file:
            if "createUrl" in put:
                return self._put_in_parts(file, wanted, put["createUrl"], sent)
            self._store("PUT", put["url"], Slice(file, wanted["size"], sent), wanted["size"])
        _vouch(sent, wanted)
        return put["uri"]

    def _put_in_parts(
        self, file: IO[bytes], wanted: Mapping[str, Any], create_url: str, sent: Hasher
    ) -> str:
        upload_id = _first_text(self._store("POST", create_url).body, "UploadId")
        put = self._addresses.put({**wanted, "uploadId": upload_id})
        try:
            tags = [self._put_part(file, part, put, wanted["size"], sent) for part in put["parts"]]
            _vouch(sent, wanted)
            self._complete(put["completeUrl"], tags)
        except BaseException:
            self._abort(put.get("abortUrl"))
            raise
        return put["uri"]

    def _put_part(
        self,
        file: IO[bytes],
        part: Mapping[str, Any],
        put: Mapping[str, Any],
        whole: int,
        sent: Hasher,
    ) -> tuple[int, str]:
        size = min(put["partSize"], whole - (part["partNumber"] - 1) * put["partSize"])
        stored = self._store("PUT", part["url"], Slice(file, size, sent), size)
        return part["partNumber"], _header(stored, "etag")

    def _complete(self, url: str, tags: Sequence[tuple[int, str]]) -> None:
        root = ElementTree.Element("CompleteMultipartUpload")
        for number, tag in tags:
            part = ElementTree.SubElement(root, "Part")
            ElementTree.SubElement(part, "PartNumber").text = str(number)
            ElementTree.SubElement(part, "ETag").text = tag
        body = ElementTree.tostring(root)
        answer = self._wire.send("POST", url, body, {"Content-Type": "application/xml"})
        if answer.status != HTTPStatus.OK or b"<Error>" in answer.body:
            raise _RefusedByStore(f"the parts were not joined: {answer.status}")

    def _abort(self, url: str | None) -> None:
        """A courtesy: parts that nobody joins are swept by retention all the same."""
        if url:
            with suppress(Unreachable):
                self._wire.send("DELETE", url)

    def _store(self, method: str, url: str, body: Slice | None = None, size: int = 0) -> Answer:
        headers = {"Content-Length": str(size), "Content-Type": "application/octet-stream"}
        answer = self._wire.send(method, url, body or b"", headers)
        if answer.status not in (HTTPStatus.OK, HTTPStatus.NO_CONTENT):
            raise _RefusedByStore(f"S3 answered {answer.status}")
        return answer

    def _list(self, prefix: str) -> Iterator[Listed]:
        got = self._addresses.get([prefix])[0]
        answer = self._wire.send("GET", got["listUrl"])
        if answer.status != HTTPStatus.OK:
            raise _RefusedByStore(f"S3 answered {answer.status} for {prefix}")
        if "true" in _texts(answer.body, "IsTruncated"):
            raise TransferError(f"more files lie below {prefix} than one listing holds: pack them")
        bucket = prefix.removeprefix("s3://").split("/", 1)[0]
        for entry in _entries(answer.body):
            size = int(entry["Size"]) if entry.get("Size", "").isdigit() else None
            yield Listed(f"s3://{bucket}/{entry['Key']}", size, entry.get("ETag", ""))


class _RefusedByStore(Exception):
    """S3 answered, and the answer was no: mostly an address past its hour."""


def _vouch(sent: Hasher, wanted: Mapping[str, Any]) -> None:
    if sent.hexdigest() != wanted["sha256"]:
        raise Overwritten(f"{wanted['name']} was written to while it was uploaded")


def _texts(xml: bytes, tag: str) -> list[str]:
    return [node.text or "" for node in _nodes(xml) if _tag(node) == tag]


def _nodes(xml: bytes) -> Iterator[ElementTree.Element]:
    try:
        return ElementTree.fromstring(xml).iter()
    except ElementTree.ParseError as error:
        raise Unreachable(f"S3 sent no XML: {error}") from error


def _tag(node: ElementTree.Element) -> str:
    """S3's answers carry a namespace, and some servers' do not."""
    return node.tag.rpartition("}")[2]


def _entries(xml: bytes) -> list[dict[str, str]]:
    found = [node for node in _nodes(xml) if _tag(node) == "Contents"]
    return [{_tag(child): child.text or "" for child in node} for node in found]


def _first_text(xml: bytes, tag: str) -> str:
    found = _texts(xml, tag)
    if not found:
        raise Unreachable(f"S3 sent no {tag}")
    return found[0]


def _header(answer: Answer, name: str) -> str:
    return next((value for key, value in answer.headers.items() if key.lower() == name), "")
