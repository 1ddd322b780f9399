"""The bucket of a mock: objects in a folder, reached by addresses that were signed for an hour."""

import hashlib
import hmac
import math
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode
from xml.etree import ElementTree

from eventrain_trainer.mock.answer import Answer

BUCKET = "eventrain"
PATH = f"/{BUCKET}"
LIFETIME = 3600.0
XML = {"Content-Type": "application/xml"}
SIGNATURE = "X-Mock-Signature"
EXPIRES = "X-Mock-Expires"


@dataclass(frozen=True, slots=True)
class Kept:
    """An object: where it lies, and what S3 would tell of it."""

    path: Path
    size: int
    etag: str


class Store:
    """Speaks as much of S3 as a trainer does: PUT, GET with ranges, listings, uploads in parts."""

    def __init__(
        self, folder: Path, base: Callable[[], str], now: Callable[[], float] = time.time
    ) -> None:
        self._folder, self._base, self._now = folder, base, now
        folder.mkdir(parents=True, exist_ok=True)
        self._secret = secrets.token_bytes(32)
        self._objects: dict[str, Kept] = {}
        self._uploads: dict[str, dict[int, Kept]] = {}
        self._lock = threading.Lock()
        self._count = 0

    def uri(self, key: str) -> str:
        return f"s3://{BUCKET}/{key}"

    def key(self, uri: str) -> str:
        return uri.removeprefix(self.uri(""))

    def keys(self, prefix: str = "") -> list[str]:
        with self._lock:
            return sorted(key for key in self._objects if key.startswith(prefix))

    def read(self, key: str) -> bytes:
        """Raises KeyError."""
        return self._objects[key].path.read_bytes()

    def write(self, key: str, body: bytes) -> str:
        """Puts it there; its uri."""
        self._keep(key, self._write(iter([body])))
        return self.uri(key)

    def add(self, key: str, source: Path) -> str:
        """A file, or a folder of files; the uri, which ends in a slash for a folder."""
        if source.is_file():
            return self.write(f"{key}/{source.name}", source.read_bytes())
        for path in sorted(path for path in source.rglob("*") if path.is_file()):
            self.write(f"{key}/{path.relative_to(source).as_posix()}", path.read_bytes())
        return self.uri(f"{key}/")

    def put_address(self, key: str) -> str:
        return self._sign("PUT", key)

    def get_address(self, key: str) -> str:
        return self._sign("GET", key)

    def list_address(self, prefix: str) -> str:
        return self._sign("GET", "", {"list-type": "2", "prefix": prefix})

    def forged_address(self, key: str) -> str:
        return self.put_address(key)[:-4] + "0000"

    def parts(self, key: str, wanted: Mapping[str, Any], size: int) -> dict[str, Any]:
        """The address that begins an upload in parts, or with its id those of the parts."""
        if not wanted.get("uploadId"):
            return {"createUrl": self._sign("POST", key, {"uploads": ""})}
        upload = {"uploadId": str(wanted["uploadId"])}
        numbers = range(1, math.ceil(wanted["size"] / size) + 1)
        return {
            "partSize": size,
            "parts": [
                {
                    "partNumber": number,
                    "url": self._sign("PUT", key, {**upload, "partNumber": str(number)}),
                }
                for number in numbers
            ],
            "completeUrl": self._sign("POST", key, upload),
            "abortUrl": self._sign("DELETE", key, upload),
        }

    def refusal(self, method: str, path: str, query: str) -> Answer | None:
        """Why this address opens nothing; None where it is a good one of this minute."""
        given = dict(parse_qsl(query, keep_blank_values=True))
        signature, expires = given.pop(SIGNATURE, ""), given.get(EXPIRES, "0")
        expected = self._signature(method, path, urlencode(sorted(given.items())))
        if not hmac.compare_digest(signature, expected):
            return _error(403, "SignatureDoesNotMatch")
        if not expires.isdigit() or float(expires) < self._now():
            return _error(403, "AccessDenied")
        return None

    def put(self, key: str, query: Mapping[str, str], blocks: Iterator[bytes]) -> Answer:
        """An object, or a part of one. It is there once the last block has come."""
        kept = self._write(blocks)
        if "uploadId" not in query:
            self._keep(key, kept)
        elif query["uploadId"] in self._uploads:
            self._uploads[query["uploadId"]][int(query["partNumber"])] = kept
        else:
            return _error(404, "NoSuchUpload")
        return Answer(200, headers={"ETag": kept.etag})

    def get(self, key: str, query: Mapping[str, str], span: str) -> Answer:
        """An object or the `span` of it that a Range asks for; a listing for no key."""
        if not key:
            return _listing(query.get("prefix", ""), self.keys(query.get("prefix", "")), self)
        kept = self._objects.get(key)
        if kept is None:
            return _error(404, "NoSuchKey")
        headers = {"ETag": kept.etag, "Accept-Ranges": "bytes"}
        if not span:
            return Answer(200, kept.path.read_bytes(), headers)
        first, last = _span(span, kept.size)
        if first >= kept.size:
            return Answer(416, headers={"Content-Range": f"bytes */{kept.size}"})
        with kept.path.open("rb") as file:
            file.seek(first)
            body = file.read(last - first + 1)
        headers["Content-Range"] = f"bytes {first}-{last}/{kept.size}"
        return Answer(206, body, headers)

    def post(self, key: str, query: Mapping[str, str], body: bytes) -> Answer:
        """Begins an upload in parts, or joins them."""
        if "uploads" in query:
            upload = secrets.token_hex(8)
            self._uploads[upload] = {}
            named = {"Bucket": BUCKET, "Key": key, "UploadId": upload}
            return Answer(200, _xml("InitiateMultipartUploadResult", named), XML)
        parts = self._uploads.get(query.get("uploadId", ""))
        if parts is None:
            return _error(404, "NoSuchUpload")
        told = _told(body)
        if not told or any(n not in parts or parts[n].etag != tag for n, tag in told):
            return _error(400, "InvalidPart")
        kept = self._write(parts[number].path.read_bytes() for number, _ in told)
        self._keep(key, kept)
        del self._uploads[query["uploadId"]]
        named = {"Bucket": BUCKET, "Key": key, "ETag": kept.etag}
        return Answer(200, _xml("CompleteMultipartUploadResult", named), XML)

    def abort(self, upload: str) -> Answer:
        gone = self._uploads.pop(upload, None)
        return Answer(204) if gone is not None else _error(404, "NoSuchUpload")

    def _keep(self, key: str, kept: Kept) -> None:
        with self._lock:
            self._objects[key] = kept

    def _write(self, blocks: Iterator[bytes]) -> Kept:
        with self._lock:
            self._count += 1
            path = self._folder / str(self._count)
        told, size = hashlib.md5(usedforsecurity=False), 0
        with path.open("wb") as file:
            for block in blocks:
                size += file.write(block)
                told.update(block)
        return Kept(path, size, f'"{told.hexdigest()}"')

    def _sign(self, method: str, key: str, query: Mapping[str, str] | None = None) -> str:
        path = f"{PATH}/{quote(key)}" if key else PATH
        given = {**(query or {}), EXPIRES: str(math.ceil(self._now() + LIFETIME))}
        text = urlencode(sorted(given.items()))
        signature = self._signature(method, path, text)
        return f"{self._base()}{path}?{text}&{SIGNATURE}={signature}"

    def _signature(self, method: str, path: str, query: str) -> str:
        said = f"{method}\n{path}\n{query}".encode()
        return hmac.new(self._secret, said, hashlib.sha256).hexdigest()


def _span(text: str, size: int) -> tuple[int, int]:
    first, _, last = text.removeprefix("bytes=").partition("-")
    if not first:
        return max(0, size - int(last)), size - 1
    return int(first), min(int(last), size - 1) if last else size - 1


def _listing(prefix: str, keys: list[str], store: Store) -> Answer:
    root = ElementTree.Element("ListBucketResult")
    told = {"Name": BUCKET, "Prefix": prefix, "KeyCount": str(len(keys)), "IsTruncated": "false"}
    for name, value in told.items():
        ElementTree.SubElement(root, name).text = value
    for key in keys:
        contents = ElementTree.SubElement(root, "Contents")
        ElementTree.SubElement(contents, "Key").text = key
        ElementTree.SubElement(contents, "Size").text = str(len(store.read(key)))
    return Answer(200, ElementTree.tostring(root, xml_declaration=True, encoding="UTF-8"), XML)


def _told(body: bytes) -> list[tuple[int, str]]:
    """The parts that a completion names, by number with their tags."""
    try:
        root = ElementTree.fromstring(body)
    except ElementTree.ParseError:
        return []
    named = [{one.tag.rpartition("}")[2]: one.text or "" for one in part} for part in root]
    return [(int(part.get("PartNumber", 0)), part.get("ETag", "")) for part in named]


def _error(status: int, code: str) -> Answer:
    return Answer(status, _xml("Error", {"Code": code}), XML)


def _xml(name: str, fields: Mapping[str, str]) -> bytes:
    root = ElementTree.Element(name)
    for key, value in fields.items():
        ElementTree.SubElement(root, key).text = value
    return ElementTree.tostring(root, xml_declaration=True, encoding="UTF-8")
