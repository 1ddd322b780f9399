"""Brings a folder to where its job will find it, if it is not there already."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from infra.cli import folder as folders
from infra.cli import words
from infra.cli.errors import Unreachable, UsageFault
from infra.cli.exchange import LOOPBACK
from infra.cli.replies import JsonObject

if TYPE_CHECKING:
    import httpx

    from infra.cli.client import Client

TRIES = 4


def bring(
    client: Client,
    folder: Path,
    entrypoint: str,
    project_id: str | None,
    *,
    keep: bool,
    say: Callable[[str], object],
) -> JsonObject:
    """The `source` of a job that runs this folder. Without `keep` nothing is uploaded. Raises
    UsageFault before anything is sent where the folder cannot be brought."""
    names = folders.list_files(folder)
    if entrypoint not in names:
        raise UsageFault(f"{folder} has no file {entrypoint} that would be packed.")
    with tempfile.TemporaryFile() as archive:
        packed = folders.pack(folder, names, archive)
        files = "1 file" if packed.files == 1 else f"{packed.files} files"
        say(f"Packed {files} into {words.size(packed.size)}.")
        kept = client.begin_source(packed.digest, packed.size, project_id=project_id)
        upload = kept["upload"]
        if upload is None:
            say("The same is there already: nothing is uploaded.")
        else:
            with _outside(upload["parts"][0]["url"]) as http:
                if keep:
                    _upload(client, http, archive, packed.digest, upload, project_id)
                    say("Uploaded.")
                else:
                    http.delete(upload["abortUrl"])
    return {"uri": kept["uri"], "digest": kept["digest"]}


def _upload(
    client: Client,
    http: httpx.Client,
    archive: IO[bytes],
    digest: str,
    upload: JsonObject,
    project_id: str | None,
) -> None:
    parts = list(_put_all(http, archive, upload))
    named = {"name": upload["name"], "uploadId": upload["uploadId"]}
    client.finish_source(digest, {**named, "parts": parts}, project_id=project_id)


def _put_all(http: httpx.Client, archive: IO[bytes], upload: JsonObject) -> Iterator[Any]:
    for number, part in enumerate(upload["parts"]):
        archive.seek(number * upload["partSize"])
        etag = _put(http, part["url"], archive.read(upload["partSize"]))
        yield {"partNumber": part["partNumber"], "etag": etag}


def _put(http: httpx.Client, url: str, content: bytes) -> str:
    """Again and again: an address is good for an hour, and the same part may be put twice."""
    import httpx

    reason = ""
    for _ in range(TRIES):
        try:
            answer = http.put(url, content=content)
        except httpx.TransportError as error:
            reason = str(error) or type(error).__name__
            continue
        if answer.is_success:
            return answer.headers["etag"]
        reason = f"HTTP {answer.status_code}"
    raise Unreachable(f"The store at {httpx.URL(url).host} did not take the folder ({reason}).")


def _outside(url: str) -> httpx.Client:
    """Speaks to the store, which is shown no token of ours: its addresses say enough."""
    import httpx

    parts = httpx.URL(url)
    return httpx.Client(
        timeout=60.0, trust_env=parts.host not in LOOPBACK, verify=parts.scheme == "https"
    )
