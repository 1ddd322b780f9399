"""What a request must satisfy that brings its own code: nothing that it names can change later."""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit
from uuid import UUID

from common.errors import Violation
from common.jobs.offer import Offer
from common.jobs.request import Source, Trainer
from common.storage import address

COMMIT = re.compile(r"[0-9a-f]{40}")
SUBDIRECTORY = "subdirectory="
PINNED = "must name its commit, as in git+https://host/repository@<40 hex digits>: a branch moves"


def check(
    trainer: Trainer, offer: Offer, project: UUID | None, dataset: UUID | None
) -> Iterator[Violation]:
    """Every rule that the trainer's source breaks, if it has one."""
    source = trainer.source
    if source is None:
        return
    if trainer.entrypoint is None:
        yield Violation("trainer.entrypoint", "is required with a source: the file to run")
    elif problem := _path_problem(trainer.entrypoint):
        yield Violation("trainer.entrypoint", problem)
    in_git = not source.uri.startswith("s3://")
    uri = _git_problem(source) if in_git else _archive_problem(source, offer, project, dataset)
    if uri:
        yield Violation("trainer.source.uri", uri)
    digest = _commit_problem(source) if in_git else _digest_problem(source)
    if digest:
        yield Violation("trainer.source.digest", digest)


def _path_problem(path: str) -> str | None:
    try:
        address.check_key(path)
    except address.BadAddress:
        return "must be the path of a file in the source, as in train.py"
    return None


def _archive_problem(
    source: Source, offer: Offer, project: UUID | None, dataset: UUID | None
) -> str | None:
    if source.uri.endswith("/"):
        return "must name one object, a .tar.gz"
    return offer.place_problem(source.uri, project, dataset)


def _digest_problem(source: Source) -> str | None:
    digits = (source.digest or "").rpartition(":")[2]
    return None if len(digits) == 64 else "must be the sha256 of the object"


def _git_problem(source: Source) -> str | None:
    try:
        parts = urlsplit(source.uri)
    except ValueError:
        return "is not an address"
    if parts.scheme != "git+https" or not parts.hostname or not parts.path.strip("/"):
        return "must begin with s3:// or git+https:// and name a repository"
    if parts.username is not None or parts.password is not None:
        return "must not hold a user name or password; name a secret"
    if not source.uri.isprintable() or " " in source.uri or parts.query:
        return "is not an address"
    if parts.fragment and not _is_subdirectory(parts.fragment):
        return "may end in #subdirectory=<a folder of the repository> and nothing else"
    _, at, commit = parts.path.partition("@")
    if at:
        return None if COMMIT.fullmatch(commit) else PINNED
    return None if source.digest else PINNED


def _is_subdirectory(fragment: str) -> bool:
    path = fragment.removeprefix(SUBDIRECTORY)
    return path != fragment and _path_problem(path) is None


def _commit_problem(source: Source) -> str | None:
    if source.digest is None or not source.uri.startswith("git+https://"):
        return None
    digest = source.digest.rpartition(":")[2]
    named = urlsplit(source.uri).path.partition("@")[2]
    if not COMMIT.fullmatch(digest):
        return "must be the commit, 40 hex digits"
    return "is not the commit that the address names" if named not in ("", digest) else None
