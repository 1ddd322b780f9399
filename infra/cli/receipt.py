"""Whether a model is what its receipt says: the signature, the catalog's entry, every file.

Written apart from what signs, from `docs/receipts.md` alone: a second opinion, not the same code.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Row = Mapping[str, Any]
# Columns of the entry that must be as they were signed.
SIGNED = ("id", "project_id", "name", "version", "type", "storage_uri", "model_family")


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that was looked at. `wrong` says what is wrong with it, None that nothing is."""

    what: str
    wrong: str | None = None


def examine(
    model: Row,
    stored: Row,
    keys: Sequence[Row],
    files: Sequence[Row],
    read: Callable[[str], str] | None,
) -> Iterator[Finding]:
    """Everything that can be checked. `stored` is what the catalog answers for the receipt, `read`
    gives the sha256 of what lies at an address; without it, digests are compared and no file is
    read."""
    text = str(stored["receipt"])
    digest = hashlib.sha256(text.encode()).hexdigest()
    differs = None if digest == stored["sha256"] else "it is not the one that the catalog names"
    yield Finding("receipt", differs)
    payload, signature = _parsed(text)
    yield Finding("signature", _wrong_signature(payload, signature, keys))
    yield from _entry(model, payload)
    yield from _files(payload.get("files") or [], files, read)


def _parsed(text: str) -> tuple[dict[str, Any], dict[str, Any]]:
    try:
        receipt = json.loads(text)
        return dict(receipt["payload"]), dict(receipt["signature"])
    except (ValueError, KeyError, TypeError):
        return {}, {}


def _wrong_signature(payload: Row, signature: Row, keys: Sequence[Row]) -> str | None:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    key = next((each for each in keys if each["kid"] == signature.get("kid")), None)
    if key is None:
        return "the installation publishes no key of that name"
    signed = json.dumps(payload, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    try:
        public = Ed25519PublicKey.from_public_bytes(_decode(key["x"]))
        public.verify(_decode(str(signature.get("value"))), signed.encode())
    except (InvalidSignature, ValueError):
        return "it was not signed with the installation's key, or was changed afterwards"
    return None


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _entry(model: Row, payload: Row) -> Iterator[Finding]:
    told = payload.get("model") or {}
    pairs = {name: (model.get(name), told.get(name)) for name in SIGNED}
    pairs["job_id"] = (model.get("job_id"), (payload.get("job") or {}).get("id"))
    pairs["evaluation_summary"] = (model.get("evaluation_summary") or {}, payload.get("metrics"))
    datasets = [each["id"] for each in payload.get("datasets") or []]
    pairs["lineage_dataset_ids"] = (list(model.get("lineage_dataset_ids") or []), datasets)
    for name, (now, signed) in pairs.items():
        same = None if now == signed else f"the catalog says {now}, the receipt {signed}"
        yield Finding(f"entry: {name}", same)


def _files(
    signed: Sequence[Row], listed: Sequence[Row], read: Callable[[str], str] | None
) -> Iterator[Finding]:
    there = {each["name"]: each for each in listed}
    for file in signed:
        yield Finding(f"file: {file['name']}", _wrong_file(file, there.get(file["name"]), read))
    names = {file["name"] for file in signed}
    for name in sorted(there.keys() - names):
        yield Finding(f"file: {name}", "the receipt does not know it")


def _wrong_file(file: Row, found: Row | None, read: Callable[[str], str] | None) -> str | None:
    if found is None:
        return "the catalog does not list it any more"
    if (found["sha256"], found["size"]) != (file["sha256"], file["size"]):
        return "the catalog lists another digest or size"
    if read is None:
        return None
    if not found["url"]:
        return "it lies where it cannot be read from here"
    digest = read(found["url"])
    return None if digest == file["sha256"] else f"what is stored now is {digest}"
