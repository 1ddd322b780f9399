"""Objects in SQLite, each change a version with the revision it was born and gone at.

A revision is what the API calls resourceVersion. Any revision that was not compacted can be
read again, which is what makes a listing in pages consistent. WAL with `synchronous=NORMAL`
survives kill -9 of this process; a power cut may take the last moments.
"""

import json
import sqlite3
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from infra.local.cluster.resource import Json, Key

_SCHEMA = """
CREATE TABLE IF NOT EXISTS versions (
    resource TEXT, namespace TEXT, name TEXT, born INTEGER, gone INTEGER,
    uid TEXT, labels TEXT, body TEXT,
    PRIMARY KEY (resource, namespace, name, born));
CREATE INDEX IF NOT EXISTS versions_gone ON versions (gone) WHERE gone IS NOT NULL;
CREATE INDEX IF NOT EXISTS versions_uid ON versions (uid) WHERE gone IS NULL;
CREATE TABLE IF NOT EXISTS owned (owner TEXT, resource TEXT, namespace TEXT, name TEXT,
    PRIMARY KEY (owner, resource, namespace, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS revisions (current INTEGER, compacted INTEGER);
INSERT INTO revisions SELECT 1, 0 WHERE NOT EXISTS (SELECT 1 FROM revisions);
"""


class Change(NamedTuple):
    key: Key
    uid: str
    owners: tuple[Key, ...]
    removed: bool


class Row(NamedTuple):
    namespace: str
    name: str
    labels: str
    body: str


class Store:
    def __init__(self, path: Path) -> None:
        self._lock = threading.RLock()
        self._depth = 0
        self._changes: list[Change] = []
        self._listeners: list[Callable[[Change], None]] = []
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        self._db.close()

    def listen(self, listener: Callable[[Change], None]) -> None:
        """It is called after each commit, in the committing thread."""
        self._listeners.append(listener)

    def ignore(self, listener: Callable[[Change], None]) -> None:
        self._listeners.remove(listener)

    @property
    def revision(self) -> int:
        return self._db.execute("SELECT current FROM revisions").fetchone()[0]

    @property
    def compacted(self) -> int:
        return self._db.execute("SELECT compacted FROM revisions").fetchone()[0]

    def get(self, key: Key) -> Json | None:
        sql = """SELECT body FROM versions
            WHERE resource = ? AND namespace = ? AND name = ? AND gone IS NULL"""
        row = self._db.execute(sql, key).fetchone()
        return json.loads(row[0]) if row else None

    def exists(self, uid: str) -> bool:
        sql = "SELECT 1 FROM versions WHERE uid = ? AND gone IS NULL"
        return self._db.execute(sql, (uid,)).fetchone() is not None

    def rows(
        self, resource: str, namespace: str | None, at: int, after: Key | None
    ) -> Iterator[Row]:
        """What the revision held, by namespace and name, behind `after`."""
        start = (after.namespace, after.name) if after else ("", "")
        sql = """SELECT namespace, name, labels, body FROM versions
            WHERE resource = ? AND (namespace, name) > (?, ?) AND born <= ?
            AND (gone IS NULL OR gone > ?) AND (? IS NULL OR namespace = ?)
            ORDER BY namespace, name"""
        found = self._db.execute(sql, (resource, *start, at, at, namespace, namespace))
        return (Row(*row) for row in found)

    def all(self, resource: str) -> Iterator[Json]:
        return (json.loads(row.body) for row in self.rows(resource, None, self.revision, None))

    def owned(self, owner: str) -> list[Key]:
        sql = "SELECT resource, namespace, name FROM owned WHERE owner = ?"
        return [Key(*row) for row in self._db.execute(sql, (owner,))]

    def all_owned(self) -> list[Key]:
        sql = "SELECT DISTINCT resource, namespace, name FROM owned"
        return [Key(*row) for row in self._db.execute(sql)]

    @contextmanager
    def writing(self) -> Generator[None]:
        """One transaction; inside another one, part of it."""
        with self._lock:
            if self._depth:
                yield
                return
            yield from self._transaction()

    def _transaction(self) -> Generator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        self._depth = 1
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            self._changes.clear()
            raise
        else:
            self._db.execute("COMMIT")
        finally:
            self._depth = 0
        self._announce()

    def put(self, key: Key, body: Json) -> Json:
        """Writes the next version and answers it, with its resourceVersion."""
        with self.writing():
            revision = self._end_version(key)
            metadata = body["metadata"] | {"resourceVersion": str(revision)}
            body = body | {"metadata": metadata}
            text = json.dumps(body, separators=(",", ":"))
            labels = json.dumps(metadata.get("labels") or {}, separators=(",", ":"))
            uid = metadata["uid"]
            sql = "INSERT INTO versions VALUES (?, ?, ?, ?, NULL, ?, ?, ?)"
            self._db.execute(sql, (*key, revision, uid, labels, text))
            for owner in metadata.get("ownerReferences") or []:
                self._db.execute(
                    "INSERT OR IGNORE INTO owned VALUES (?, ?, ?, ?)", (owner["uid"], *key)
                )
            self._changes.append(Change(key, uid, _owners(body), removed=False))
        return body

    def remove(self, key: Key) -> None:
        body = self.get(key)
        if body is None:
            return
        with self.writing():
            self._end_version(key)
            uid = body["metadata"]["uid"]
            self._changes.append(Change(key, uid, _owners(body), removed=True))

    def compact(self) -> None:
        """Forgets all history: what was begun to be listed before has expired."""
        with self.writing():
            self._db.execute("DELETE FROM versions WHERE gone IS NOT NULL")
            self._db.execute("UPDATE revisions SET compacted = current")

    def compact_before(self, revision: int) -> None:
        with self.writing():
            self._db.execute("DELETE FROM versions WHERE gone <= ?", (revision,))
            self._db.execute("UPDATE revisions SET compacted = max(compacted, ?)", (revision,))

    def _end_version(self, key: Key) -> int:
        self._db.execute("UPDATE revisions SET current = current + 1")
        revision = self.revision
        sql = """UPDATE versions SET gone = ?
            WHERE resource = ? AND namespace = ? AND name = ? AND gone IS NULL"""
        self._db.execute(sql, (revision, *key))
        sql = "DELETE FROM owned WHERE resource = ? AND namespace = ? AND name = ?"
        self._db.execute(sql, key)
        return revision

    def _announce(self) -> None:
        changes, self._changes = self._changes, []
        for change in changes:
            for listener in self._listeners:
                listener(change)


def _owners(body: Json) -> tuple[Key, ...]:
    metadata = body["metadata"]
    references = metadata.get("ownerReferences") or []
    return tuple(
        Key(f"{each['kind'].lower()}s", metadata["namespace"], each["name"]) for each in references
    )
