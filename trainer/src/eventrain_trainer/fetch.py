"""What a job starts from, fetched into its work folder once: dataset, base model, checkpoint.

Datasets and models are shared with the project's other jobs on this node, where there is a cache:
then the work folder holds links to files that nobody may write to. Each job asks for its own
addresses all the same, so that it gets nothing that it may not read.
"""

import hashlib
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from eventrain_trainer.addresses import MOST_AT_ONCE, Addresses, Granted, TransferError
from eventrain_trainer.cache import Cache
from eventrain_trainer.download import AT_ONCE, PART, DigestError, Download
from eventrain_trainer.patience import Deadline, Patience
from eventrain_trainer.port import Source
from eventrain_trainer.progress import Progress
from eventrain_trainer.settings import Code, Settings
from eventrain_trainer.transfer import Listed, Transfer
from eventrain_trainer.wire import Wire


@dataclass(frozen=True)
class Voice:
    """How a fetch is told of: warnings, lines of the log, what the job is at, and from where the
    training really goes on."""

    warn: Callable[[str], None]
    say: Callable[[str], None]
    note: Callable[[str | None], None]
    resumed: Callable[[bool], None]


@dataclass(frozen=True)
class Wanted:
    """An object, where it is to lie, and what is known of it."""

    listed: Listed
    target: Path
    sha256: str | None = None


class Fetcher:
    def __init__(
        self, settings: Settings, transfer: Transfer, addresses: Addresses, wire: Wire, voice: Voice
    ) -> None:
        self._settings, self._transfer, self._voice = settings, transfer, voice
        self._addresses, self._wire = addresses, wire
        self._here: dict[Source, Path | None] = {}
        self._lock = threading.Lock()
        self._cache = _cache_of(settings, voice)

    def fetch(self, source: Source) -> Path | None:
        """A file, or a folder where the address is a prefix. Raises TransferError."""
        with self._lock:
            if source not in self._here:
                self._here[source] = self._fetch(source)
            return self._here[source]

    def fetch_code(self, code: Code) -> Path:
        """The archive with the user's own code, as its digest says. Raises TransferError."""
        target = self._settings.work_dir / "code.tar.gz"
        digest = code.digest.rpartition(":")[2]
        return self._bring("code", [Wanted(Listed(code.uri, None, ""), target, digest)], None)

    def close(self) -> None:
        """Lets go of what is shared."""
        if self._cache is not None:
            self._cache.close()

    def _fetch(self, source: Source) -> Path | None:
        folder = self._settings.work_dir / source
        if source == "checkpoint":
            return self._fetch_checkpoint(folder)
        uri = self._settings.dataset_uri if source == "dataset" else self._settings.model_uri
        if not uri:
            return None
        if not uri.endswith("/"):
            wanted = Wanted(Listed(uri, None, ""), folder / _name(uri))
            return self._bring(source, [wanted], self._cache)
        found = self._transfer.listing(uri, self._deadline())
        if not found:
            raise TransferError(f"nothing lies below {uri}")
        self._bring(source, [Wanted(f, folder / _below(uri, f.uri)) for f in found], self._cache)
        return folder

    def _fetch_checkpoint(self, folder: Path) -> Path | None:
        """A torn checkpoint is refused: training from the start beats training from rubble."""
        known = self._settings.config.checkpoint
        if known is None:
            return None
        listed = Listed(known.uri, known.size or None, "")
        wanted = Wanted(listed, folder / _name(known.uri), known.sha256)
        try:
            path = self._bring("checkpoint", [wanted], None)
        except DigestError as error:
            self._voice.warn(f"not resumed: {error}")
            self._voice.resumed(False)
            return None
        self._voice.resumed(True)
        return path

    def _bring(self, what: str, wanted: Sequence[Wanted], cache: Cache | None) -> Path:
        """The path of the last of them, once all are there."""
        sizes = [each.listed.size for each in wanted]
        total = None if None in sizes else sum(size or 0 for size in sizes)
        screen = sys.stderr if sys.stderr.isatty() else None
        progress = Progress(what, total, say=self._voice.say, note=self._voice.note, screen=screen)
        patience = Patience(self._settings.upload_wait)
        bring = partial(self._bring_one, cache=cache, progress=progress, patience=patience)
        for start in range(0, len(wanted), MOST_AT_ONCE):
            batch = wanted[start : start + MOST_AT_ONCE]
            granted = self._ask([each.listed.uri for each in batch])
            # What is large comes in parts, several at once; of what is small, several files do.
            pairs = list(zip(batch, granted, strict=True))
            small = [pair for pair in pairs if _is_small(pair[0])]
            with ThreadPoolExecutor(AT_ONCE) as pool:
                list(pool.map(bring, *zip(*small, strict=True)) if small else ())
            for each, grant in pairs:
                if not _is_small(each):
                    bring(each, grant)
        progress.end()
        return wanted[-1].target

    def _bring_one(
        self,
        wanted: Wanted,
        granted: Granted,
        *,
        cache: Cache | None,
        progress: Progress,
        patience: Patience,
    ) -> None:
        """The file appears under its name only when it is whole and its digest is right."""
        download = Download(self._wire, granted, patience, progress.count)
        wanted.target.parent.mkdir(parents=True, exist_ok=True)
        shared = cache and self._shared(cache, wanted, download, progress)
        if shared:
            _link(wanted.target, shared)
            return
        part = wanted.target.with_name(f".{wanted.target.name}.part")
        try:
            download.into(part, wanted.sha256)
            part.replace(wanted.target)
        finally:
            part.unlink(missing_ok=True)

    def _shared(
        self, cache: Cache, wanted: Wanted, download: Download, progress: Progress
    ) -> Path | None:
        """Where it lies for all. Without a digest it is the same only under the same address, with
        the same tag, within what the control plane names."""
        granted, etag, size = download.granted, wanted.listed.etag, wanted.listed.size
        if granted.sha256 and granted.size is not None:
            key, size = f"sha256-{granted.sha256}", granted.size
        elif granted.scope is None:
            return None
        else:
            if size is None or not etag:
                size, etag = download.look()
            named = "\n".join((granted.scope, granted.uri, etag, str(size)))
            key = f"etag-{hashlib.sha256(named.encode()).hexdigest()}"
        made: list[Path] = []

        def make(path: Path) -> None:
            made.append(path)
            download.into(path)

        found = cache.take(key, size, make, self._settings.upload_wait)
        if found and not made:
            progress.had(size)
        return found

    def _ask(self, uris: Sequence[str]) -> list[Granted]:
        found: Any = self._transfer.persist(self._deadline(), lambda: self._addresses.get(uris))
        return [Granted(self._addresses, uri, each) for uri, each in zip(uris, found, strict=True)]

    def _deadline(self) -> Deadline:
        deadline = Deadline()
        deadline.within(self._settings.upload_wait)
        return deadline


def _cache_of(settings: Settings, voice: Voice) -> Cache | None:
    if settings.cache_dir is None:
        return None
    return Cache(settings.cache_dir, settings.cache_bytes, voice.warn)


def _is_small(wanted: Wanted) -> bool:
    return wanted.listed.size is not None and wanted.listed.size <= PART


def _link(target: Path, shared: Path) -> None:
    target.unlink(missing_ok=True)
    target.symlink_to(shared)


def _name(uri: str) -> str:
    return _inside(PurePosixPath(uri.rpartition("/")[2])).name


def _below(prefix: str, uri: str) -> PurePosixPath:
    return _inside(PurePosixPath(uri.removeprefix(prefix)))


def _inside(path: PurePosixPath) -> PurePosixPath:
    if path.is_absolute() or ".." in path.parts or not path.name:
        raise TransferError(f"{path} is no name for a file")
    return path
