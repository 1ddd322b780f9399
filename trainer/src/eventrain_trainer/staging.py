"""Keeps a checkpoint as it was when the training said so, until it is uploaded."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Staging:
    """Holds a second name of the file: whoever replaces or deletes the first one harms nothing.

    One who writes into the same file does; then the copy that `copy` makes is the way.
    """

    folder: Path
    count: int = 0

    def keep(self, path: Path, *, copy: bool) -> Path:
        """The kept name, or the given one where the file system has no second names."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.count += 1
        kept = self.folder / f"{self.count}-{path.name}"
        kept.unlink(missing_ok=True)
        if copy:
            shutil.copyfile(path, kept)
            return kept
        try:
            os.link(path, kept)
        except OSError:
            return path
        return kept
