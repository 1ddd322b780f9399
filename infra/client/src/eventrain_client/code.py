"""Brings a folder to where its job will find it, if it is not there already."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

import httpx

from eventrain_client import folder as folders
from eventrain_client.errors import FolderFault
from eventrain_client.exchange import Exchange
from eventrain_client.files import put_parts
from eventrain_client.flow import Flow, Send, work
from eventrain_client.replies import Source
from eventrain_client.sizes import spell_size

PATH = "/training/sources"
Say = Callable[[str], object]
# What is trained is the folder's own business; the control plane asks for a word on it.
OF_A_FOLDER: Mapping[str, Any] = {
    "jobType": "from_scratch",
    "useGpu": False,
    "resourceProfile": {"cpuCores": 1, "memory": "2Gi", "maxDuration": 60},
    "hyperparameters": {"architecture": "own code"},
}


def fill_in(request: dict[str, Any], folder: Path) -> None:
    """What the folder's job is called."""
    request.setdefault("name", folder.resolve().name or "own code")


def bring(
    exchange: Exchange,
    folder: Path,
    entrypoint: str,
    project_id: str | None,
    *,
    keep: bool,
    say: Say,
) -> Flow[dict[str, str]]:
    """The `source` of a job that runs this folder. Without `keep` nothing is uploaded. Raises
    FolderFault before anything is sent where the folder cannot be brought."""
    names = folders.list_files(folder)
    if entrypoint not in names:
        raise FolderFault(f"{folder} has no file {entrypoint} that would be packed.")
    with tempfile.TemporaryFile() as archive:
        packed = yield from work(lambda: folders.pack(folder, names, archive))
        files = "1 file" if packed.files == 1 else f"{packed.files} files"
        say(f"Packed {files} into {spell_size(packed.size)}.")
        wanted = {"digest": packed.digest, "projectId": project_id}
        begun = {**wanted, "size": packed.size}
        kept: Source = yield from exchange.ask("POST", PATH, json=begun, repeatable=True)
        if kept["upload"] is None:
            say("The same is there already: nothing is uploaded.")
        elif keep:
            yield from _upload(exchange, archive, kept["upload"], wanted)
            say("Uploaded.")
        else:
            yield Send(httpx.Request("DELETE", kept["upload"]["abortUrl"]))
    return {"uri": kept["uri"], "digest": kept["digest"]}


def _upload(
    exchange: Exchange, archive: IO[bytes], upload: dict[str, Any], wanted: dict[str, Any]
) -> Flow[None]:
    addresses = [part["url"] for part in upload["parts"]]
    etags = yield from put_parts(archive, addresses, upload["partSize"])
    numbers = [part["partNumber"] for part in upload["parts"]]
    parts = [
        {"partNumber": number, "etag": etag} for number, etag in zip(numbers, etags, strict=True)
    ]
    sent = {"name": upload["name"], "uploadId": upload["uploadId"], "parts": parts, **wanted}
    yield from exchange.ask("POST", f"{PATH}/complete", json=sent, repeatable=True)
