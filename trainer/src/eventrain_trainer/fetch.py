"""What a job starts from, fetched into its work folder once: dataset, base model, checkpoint."""

import threading
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from eventrain_trainer.patience import Deadline
from eventrain_trainer.port import Source
from eventrain_trainer.settings import Code, Settings
from eventrain_trainer.transfer import DigestError, Transfer, TransferError


class Fetcher:
    def __init__(self, settings: Settings, transfer: Transfer, warn: Callable[[str], None]) -> None:
        self._settings, self._transfer, self._warn = settings, transfer, warn
        self._here: dict[Source, Path | None] = {}
        self._lock = threading.Lock()

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
        return self._transfer.download(code.uri, target, self._deadline(), digest)

    def _fetch(self, source: Source) -> Path | None:
        folder = self._settings.work_dir / source
        if source == "checkpoint":
            return self._fetch_checkpoint(folder)
        uri = self._settings.dataset_uri if source == "dataset" else self._settings.model_uri
        if not uri:
            return None
        if not uri.endswith("/"):
            return self._transfer.download(uri, folder / _name(uri), self._deadline())
        found = self._transfer.listing(uri, self._deadline())
        for key in found:
            self._transfer.download(key, folder / _below(uri, key), self._deadline())
        if not found:
            raise TransferError(f"nothing lies below {uri}")
        return folder

    def _fetch_checkpoint(self, folder: Path) -> Path | None:
        """A torn checkpoint is refused: training from the start beats training from rubble."""
        wanted = self._settings.config.checkpoint
        if wanted is None:
            return None
        target = folder / _name(wanted.uri)
        try:
            return self._transfer.download(wanted.uri, target, self._deadline(), wanted.sha256)
        except DigestError as error:
            self._warn(f"not resumed: {error}")
            return None

    def _deadline(self) -> Deadline:
        deadline = Deadline()
        deadline.within(self._settings.upload_wait)
        return deadline


def _name(uri: str) -> str:
    return _inside(PurePosixPath(uri.rpartition("/")[2])).name


def _below(prefix: str, uri: str) -> PurePosixPath:
    return _inside(PurePosixPath(uri.removeprefix(prefix)))


def _inside(path: PurePosixPath) -> PurePosixPath:
    if path.is_absolute() or ".." in path.parts or not path.name:
        raise TransferError(f"{path} is no name for a file")
    return path
