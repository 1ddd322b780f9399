"""What only the inside can see of Postgres and S3: the schema, the last tick, the bucket, letters."""

import asyncio
from datetime import datetime, timedelta
from uuid import uuid4

import asyncpg

from common.doctor.finding import Finding
from common.errors import EventrainError, NotFound
from common.letter import Letter, Letters
from common.postgres import FAULTS, SCHEMA, statement
from common.storage.objects import Objects
from common.sync.lease import read_age
from common.sync.tick import LEASE

# So many ticks may be missed before it is an illness and not a hiccup.
LATE = 10
UNCARRIED = timedelta(minutes=10)
PATIENCE = 8.0
PROBES = "doctor"


async def look_at_schema(pool: asyncpg.Pool) -> Finding:
    """Whether migrations have reached the revision that this release was written for."""
    try:
        found: str | None = await pool.fetchval(statement("read_revision"))
    except asyncpg.UndefinedTableError:
        found = None
    except FAULTS as wrong:
        return _no_database("schema", wrong)
    seen = f"The database is at revision {found or 'none'}; this release wants {SCHEMA}."
    if found is not None and found >= SCHEMA:
        return Finding("schema", seen)
    return Finding(
        "schema",
        seen,
        wrong="The schema is behind the code.",
        todo="Run the migration of this release (docs/upgrade.md); on a laptop, `eventrain up` again.",
    )


async def look_at_ticks(pool: asyncpg.Pool, interval: timedelta, now: datetime) -> Finding:
    """Whether status-sync has lately done all of a tick, on which every promise rests."""
    try:
        completed_at = (await read_age(pool, LEASE)).completed_at
    except FAULTS as wrong:
        return _no_database("ticks", wrong)
    todo = "Look at the PingSource, at the broker, and at the log of status-sync (docs/runbook.md)."
    if completed_at is None:
        return Finding("ticks", "status-sync noted none.", "No tick was ever complete.", todo)
    age, allowed = (now - completed_at).total_seconds(), (LATE * interval).total_seconds()
    seen = f"The last complete tick of status-sync is {age:.0f} s old; {allowed:.0f} s are allowed."
    if age <= allowed:
        return Finding("ticks", seen)
    return Finding("ticks", seen, "The last complete tick is too old.", todo)


async def look_at_mlflow(pool: asyncpg.Pool, url: str | None, now: datetime) -> Finding:
    """Whether MLflow has what it is to have; that it is off is no illness."""
    if url is None:
        return Finding("mlflow", "MLflow is off: no MLFLOW_TRACKING_URI is set.")
    try:
        waiting = await pool.fetchrow(statement("read_backlog"))
    except FAULTS as wrong:
        return _no_database("mlflow", wrong)
    assert waiting is not None
    seen = f"Of {waiting['attempts']} attempts {url} has not heard all yet."
    since: datetime | None = waiting["since"]
    if since is None or now - since <= UNCARRIED:
        return Finding("mlflow", seen)
    return Finding(
        "mlflow",
        f"{seen} The last try: {waiting['error'] or 'none'}.",
        wrong=f"Something waits for MLflow since {since:%F %T} UTC.",
        todo="Nothing is lost and nobody waits; see whether MLflow runs (docs/runbook.md).",
    )


async def look_at_bucket(objects: Objects, bucket: str) -> Finding:
    """Whether an object can be written to the bucket and deleted from it."""
    key = f"{PROBES}/{uuid4().hex}"
    try:
        async with asyncio.timeout(PATIENCE):
            await objects.put_bytes(key, b"")
            await objects.delete(key)
    except NotFound:
        return Finding(
            "bucket",
            f"The store says that there is no bucket {bucket!r}.",
            wrong="The bucket is missing.",
            todo="Make it, or set S3_BUCKET to the one that is meant.",
        )
    except Exception as wrong:  # noqa: BLE001 - any failure of the store is the answer
        return Finding(
            "bucket",
            f"An object could not be written and deleted: {_said(wrong)}.",
            wrong="The bucket cannot be written to.",
            todo="Look at S3_ENDPOINT_URL, at the store, and at what its keys may do.",
        )
    return Finding("bucket", f"An object was written to {bucket!r} and deleted.")


async def look_at_letters(objects: Objects) -> Finding:
    """Whether an event waits that nobody took and nobody sent again."""
    try:
        async with asyncio.timeout(PATIENCE):
            page = await Letters(objects).page(_waits, 1, "")
    except Exception as wrong:  # noqa: BLE001 - any failure of the store is the answer
        seen = f"They could not be read: {_said(wrong)}."
        return Finding("dead letters", seen, "Dead letters cannot be read.", "See the bucket.")
    if not page.letters:
        return Finding("dead letters", "None waits.")
    oldest = page.letters[0]
    return Finding(
        "dead letters",
        f"The oldest is a {oldest.attributes['type']}, kept at {oldest.received_at:%F %T} UTC.",
        wrong="Events wait that nobody took.",
        todo="`eventrain dead-letters list` says why; then send them again.",
    )


def _waits(letter: Letter) -> bool:
    return letter.replayed_at is None


def _no_database(check: str, wrong: BaseException) -> Finding:
    return Finding(
        check,
        f"Postgres did not answer: {_said(wrong)}.",
        wrong="The database cannot be asked.",
        todo="See that it runs, and that DATABASE_URL leads to it.",
    )


def _said(wrong: BaseException) -> str:
    if isinstance(wrong, EventrainError):
        return wrong.message.rstrip(".")
    return type(wrong).__name__
