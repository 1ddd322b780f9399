"""Large files between here and S3, past the functions, by presigned addresses."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx

from infra.cli.errors import CommandFault, Unreachable

PIECE = 1 << 20
# A form goes through a function; what is larger goes in parts.
LARGEST_FORM = 16 << 20
TIMEOUT = httpx.Timeout(60.0, connect=5.0)

Call = Callable[..., Any]


def sha256_at(url: str) -> str:
    """The digest of what lies there, or a word that says why there is none."""
    digest = hashlib.sha256()
    try:
        for piece in _pieces(url):
            digest.update(piece)
    except CommandFault as wrong:
        return wrong.message
    return digest.hexdigest()


def fetch(file: dict[str, Any], folder: Path) -> Path:
    """Writes a file below the folder, whole or not at all. Raises CommandFault where the name
    climbs out of it or the digest is another."""
    target = (folder / file["name"]).resolve()
    if not target.is_relative_to(folder.resolve()):
        raise CommandFault(f"{file['name']} would lie outside of {folder}.")
    if not file["url"]:
        raise CommandFault(f"{file['name']} lies in a bucket that cannot be read from here.")
    target.parent.mkdir(parents=True, exist_ok=True)
    coming, digest = target.with_name(target.name + ".part"), hashlib.sha256()
    with coming.open("wb") as out:
        for piece in _pieces(file["url"]):
            digest.update(piece)
            out.write(piece)
    if file["sha256"] not in (None, digest.hexdigest()):
        coming.unlink()
        raise CommandFault(f"{file['name']} is not what the catalog says: its digest is another.")
    return coming.replace(target)


def send(call: Call, entry: str, file: Path) -> Any:
    """The entry with the file added to it: as a form, or in parts where it is large. `call` asks
    the catalog."""
    size = file.stat().st_size
    if size <= LARGEST_FORM:
        with file.open("rb") as opened:
            return call(f"{entry}/upload", method="POST", files={"files": (file.name, opened)})
    begun = call(f"{entry}/uploads", method="POST", json={"name": file.name, "size": size})
    named = {"name": file.name, "upload_id": begun["upload_id"]}
    try:
        parts = list(_put_parts(begun, file))
    except BaseException:
        call(f"{entry}/uploads/abort", method="POST", json=named)
        raise
    return call(f"{entry}/uploads/complete", method="POST", json=named | {"parts": parts})


def _put_parts(begun: dict[str, Any], file: Path) -> Iterator[dict[str, Any]]:
    with httpx.Client(timeout=TIMEOUT) as s3, file.open("rb") as opened:
        for part in begun["parts"]:
            body = opened.read(begun["part_size"])
            try:
                answer = s3.put(part["url"], content=body)
            except httpx.TransportError as error:
                raise Unreachable(f"The store broke off ({error}).") from error
            if not answer.is_success:
                raise CommandFault(f"The store refused part {part['part_number']}.")
            yield {"part_number": part["part_number"], "etag": answer.headers["etag"]}


def _pieces(url: str) -> Iterator[bytes]:
    try:
        with httpx.stream("GET", url, timeout=TIMEOUT) as answer:
            if not answer.is_success:
                raise CommandFault(f"nothing that can be read (HTTP {answer.status_code})")
            yield from answer.iter_bytes(PIECE)
    except httpx.TransportError as error:
        raise Unreachable(f"The store broke off ({error}).") from error
