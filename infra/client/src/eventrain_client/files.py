"""Bytes between here and S3, past the functions, by presigned addresses, which are shown no token."""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import IO, Any

import httpx

from eventrain_client.errors import EventrainError, LocalFault, Unreachable
from eventrain_client.exchange import Exchange, cause
from eventrain_client.flow import Close, Flow, Next, Open, Opened, Read, Send, Sleep, Step, work

# A form goes through a function; what is larger goes in parts.
LARGEST_FORM = 16 << 20
TRIES = 4

Pieces = Generator[Step, Any, None]


def read(url: str) -> Flow[bytes]:
    """All that lies there. Raises Unreachable, LocalFault."""
    found = bytearray()
    yield from _pieces(url, found.extend)
    return bytes(found)


def sha256_at(url: str) -> Flow[str]:
    """The digest of what lies there, or a word that says why there is none."""
    digest = hashlib.sha256()
    try:
        yield from _pieces(url, digest.update)
    except EventrainError as wrong:
        return wrong.message
    return digest.hexdigest()


def fetch(file: Mapping[str, Any], folder: Path) -> Flow[Path]:
    """Writes a file below the folder, whole or not at all. Raises LocalFault where the name climbs
    out of it or the digest is another."""
    target = (folder / file["name"]).resolve()
    if not target.is_relative_to(folder.resolve()):
        raise LocalFault(f"{file['name']} would lie outside of {folder}.")
    if not file["url"]:
        raise LocalFault(f"{file['name']} lies in a bucket that cannot be read from here.")
    target.parent.mkdir(parents=True, exist_ok=True)
    coming, digest = target.with_name(target.name + ".part"), hashlib.sha256()

    def take(piece: bytes) -> None:
        digest.update(piece)
        out.write(piece)

    try:
        with coming.open("wb") as out:
            yield from _pieces(file["url"], take)
        if file["sha256"] not in (None, digest.hexdigest()):
            raise LocalFault(f"{file['name']} is not what was told of it: its digest is another.")
        return coming.replace(target)
    finally:
        coming.unlink(missing_ok=True)


def send(exchange: Exchange, entry: str, file: Path) -> Flow[Any]:
    """The entry of the catalog with the file added to it: as a form, or in parts where it is
    large."""
    size = file.stat().st_size
    if size <= LARGEST_FORM:
        content = yield from work(file.read_bytes)
        form = {"files": (file.name, content)}
        return (yield from exchange.ask("POST", f"{entry}/upload", files=form))
    begun = yield from exchange.ask(
        "POST", f"{entry}/uploads", json={"name": file.name, "size": size}
    )
    named = {"name": file.name, "upload_id": begun["upload_id"]}
    addresses = [part["url"] for part in begun["parts"]]
    try:
        with file.open("rb") as content:
            etags = yield from put_parts(content, addresses, begun["part_size"])
    except EventrainError:
        yield from exchange.ask("POST", f"{entry}/uploads/abort", json=named)
        raise
    numbers = [part["part_number"] for part in begun["parts"]]
    parts = [
        {"part_number": number, "etag": etag} for number, etag in zip(numbers, etags, strict=True)
    ]
    return (
        yield from exchange.ask("POST", f"{entry}/uploads/complete", json={**named, "parts": parts})
    )


def put_parts(content: IO[bytes], addresses: list[str], part_size: int) -> Flow[list[str]]:
    """What S3 answered to each part, in order."""
    etags: list[str] = []
    for number, url in enumerate(addresses):
        content.seek(number * part_size)
        piece = yield from work(lambda: content.read(part_size))
        etags.append((yield from _put(url, piece)))
    return etags


def _put(url: str, content: bytes) -> Flow[str]:
    """Again and again: an address is good for an hour, and the same part may be put twice."""
    reason = ""
    for number in range(TRIES):
        if number:
            yield Sleep(0.2 * 2**number)
        try:
            answer: httpx.Response = yield Send(httpx.Request("PUT", url, content=content))
        except httpx.TransportError as error:
            reason = cause(error)
            continue
        if answer.is_success:
            return answer.headers["etag"]
        reason = f"HTTP {answer.status_code}"
    raise Unreachable(f"The store at {httpx.URL(url).host} did not take it ({reason}).")


def _pieces(url: str, take: Any) -> Pieces:
    try:
        stream: Opened = yield Open(httpx.Request("GET", url), lines=False)
        if not stream.response.is_success:
            yield Read(stream)
            status = stream.response.status_code
            raise LocalFault(f"nothing that can be read (HTTP {status})")
        while (piece := (yield Next(stream))) is not None:
            take(piece)
        yield Close(stream)
    except httpx.TransportError as error:
        raise Unreachable(f"The store broke off ({cause(error)}).") from error
