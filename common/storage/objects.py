"""What we ourselves do in S3: boto3 behind a few threads, so that no request waits for another."""

import asyncio
import hashlib
import threading
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from common.errors import NotFound, TooLarge
from common.settings import Storage

T = TypeVar("T")

THREADS = 4
READ_LIMIT = 4 << 20
DELETED_AT_ONCE = 1000
PAGE_SIZE = 1000
# One call copies at most 5 GiB; beyond, a copy is made of parts.
COPIED_AT_ONCE = 5 << 30


@dataclass(frozen=True, slots=True)
class Found:
    """An object that is there."""

    key: str
    size: int
    etag: str


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload in parts that nobody finished."""

    key: str
    upload_id: str


class Objects:
    """The objects of one bucket. Temporary errors of the store are botocore's own, which
    `common.answers` knows; what is not there is NotFound."""

    def __init__(
        self,
        client: Callable[[], Any],
        bucket: str,
        threads: ThreadPoolExecutor,
        page_size: int = PAGE_SIZE,
    ) -> None:
        self._client = client
        self._bucket = bucket
        self._threads = threads
        self._page_size = page_size

    async def put_bytes(
        self, key: str, body: bytes, content_type: str = "application/octet-stream"
    ) -> None:
        await self._call("put_object", Key=key, Body=body, ContentType=content_type)

    async def get_bytes(self, key: str, limit: int = READ_LIMIT) -> bytes:
        """The whole object. Raises NotFound, and TooLarge past the limit."""

        def read() -> bytes:
            with self._client().get_object(Bucket=self._bucket, Key=key)["Body"] as stream:
                return stream.read(limit + 1)

        body = await self._run(read)
        if len(body) > limit:
            raise TooLarge(f"{key} is larger than {limit} bytes.")
        return body

    async def get_start(self, key: str, size: int) -> bytes:
        """The first bytes of an object that is not empty, at most so many. Raises NotFound."""

        def read() -> bytes:
            found = self._client().get_object(
                Bucket=self._bucket, Key=key, Range=f"bytes=0-{size - 1}"
            )
            with found["Body"] as stream:
                return stream.read(size)

        return await self._run(read)

    async def sha256(self, key: str) -> str:
        """Of the whole object, of which a piece at a time is held. Raises NotFound."""

        def read() -> str:
            digest = hashlib.sha256()
            with self._client().get_object(Bucket=self._bucket, Key=key)["Body"] as stream:
                while piece := stream.read(1 << 20):
                    digest.update(piece)
            return digest.hexdigest()

        return await self._run(read)

    async def head(self, key: str) -> Found | None:
        """The object's size and tag, or None where there is none."""
        try:
            answer = await self._call("head_object", Key=key)
        except NotFound:
            return None
        return Found(key, answer["ContentLength"], answer["ETag"].strip('"'))

    async def walk(
        self, prefix: str, after: str = "", until: str | None = None
    ) -> AsyncGenerator[Found]:
        """Everything below the prefix, read page by page; only what comes after a key and before
        another, if named."""
        token: dict[str, str] = {"StartAfter": after} if after else {}
        while True:
            page = await self._call(
                "list_objects_v2", Prefix=prefix, MaxKeys=self._page_size, **token
            )
            for entry in page.get("Contents", ()):
                if until is not None and entry["Key"] >= until:
                    return
                yield Found(entry["Key"], entry["Size"], entry["ETag"].strip('"'))
            if not page.get("IsTruncated"):
                return
            token = {"ContinuationToken": page["NextContinuationToken"]}

    async def copy(self, source: str, target: str, *, source_bucket: str | None = None) -> None:
        """Copies one object, inside the store. Where an object of the same size is already at the
        target, an earlier try got that far and nothing is done."""
        bucket = source_bucket or self._bucket
        size = (await self._call("head_object", Bucket=bucket, Key=source))["ContentLength"]
        there = await self.head(target)
        if there and there.size == size:
            return
        origin = {"Bucket": bucket, "Key": source}
        if size <= COPIED_AT_ONCE:
            await self._call("copy_object", CopySource=origin, Key=target)
            return
        await self._run(lambda: self._client().copy(origin, self._bucket, target))

    async def delete(self, key: str) -> None:
        await self._call("delete_object", Key=key)

    async def delete_prefix(self, prefix: str) -> int:
        """Deletes everything below the prefix and says how much that was."""
        if not prefix.endswith("/"):
            raise ValueError("only a whole folder is deleted")
        deleted = 0
        batch: list[str] = []
        async for found in self.walk(prefix):
            batch.append(found.key)
            if len(batch) == DELETED_AT_ONCE:
                deleted += await self._delete(batch)
                batch = []
        return deleted + await self._delete(batch)

    async def ensure_bucket(self) -> None:
        """Makes the bucket where it is not there yet."""
        try:
            await self._call("head_bucket")
        except NotFound:
            await self._call("create_bucket")

    async def start_upload(self, key: str) -> str:
        """Begins an upload in parts and returns its id."""
        return (await self._call("create_multipart_upload", Key=key))["UploadId"]

    async def put_part(self, key: str, upload_id: str, number: int, body: bytes) -> str:
        """Puts one part and returns its tag."""
        answer = await self._call(
            "upload_part", Key=key, UploadId=upload_id, PartNumber=number, Body=body
        )
        return answer["ETag"]

    async def finish_upload(self, key: str, upload_id: str, etags: dict[int, str]) -> None:
        """Joins the parts, whose tags are given by part number."""
        parts = [{"PartNumber": number, "ETag": etags[number]} for number in sorted(etags)]
        await self._call(
            "complete_multipart_upload",
            Key=key,
            UploadId=upload_id,
            MultipartUpload={"Parts": parts},
        )

    async def abort_upload(self, key: str, upload_id: str) -> None:
        await self._call("abort_multipart_upload", Key=key, UploadId=upload_id)

    async def uploads(self, prefix: str, before: datetime) -> AsyncGenerator[Upload]:
        """The uploads in parts below the prefix that were begun before an instant and that nobody
        finished, read page by page."""
        place: dict[str, str] = {}
        while True:
            try:
                page = await self._call(
                    "list_multipart_uploads", Prefix=prefix, MaxUploads=self._page_size, **place
                )
            except NotFound:
                return
            for listed in page.get("Uploads", ()):
                if listed["Initiated"] < before:
                    yield Upload(listed["Key"], listed["UploadId"])
            following = {
                "KeyMarker": page.get("NextKeyMarker", ""),
                "UploadIdMarker": page.get("NextUploadIdMarker", ""),
            }
            # A store that goes round in circles would never let us go.
            if not page.get("IsTruncated") or following == place:
                return
            place = following

    async def _delete(self, keys: list[str]) -> int:
        if keys:
            listed = [{"Key": key} for key in keys]
            await self._call("delete_objects", Delete={"Objects": listed, "Quiet": True})
        return len(keys)

    async def _call(self, operation: str, **arguments: Any) -> Any:
        def call() -> Any:
            return getattr(self._client(), operation)(**{"Bucket": self._bucket, **arguments})

        return await self._run(call)

    async def _run(self, deed: Callable[[], T]) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, _translated, deed)


@asynccontextmanager
async def open_objects(storage: Storage, page_size: int = PAGE_SIZE) -> AsyncGenerator[Objects]:
    """The bucket that the settings name. Opening it makes no call."""
    threads = ThreadPoolExecutor(THREADS, thread_name_prefix="s3")
    client = _Client(storage)
    try:
        yield Objects(client, storage.bucket, threads, page_size)
    finally:
        client.close()
        threads.shutdown(wait=False, cancel_futures=True)


class _Client:
    """Made by whoever needs it first, on that thread: boto3 is half of a cold start, and most
    requests are answered without it."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._lock = threading.Lock()
        self._made: Any = None

    def __call__(self) -> Any:
        with self._lock:
            if self._made is None:
                self._made = connect(self._storage)
            return self._made

    def close(self) -> None:
        with self._lock:
            if self._made is not None:
                self._made.close()


def _translated(deed: Callable[[], T]) -> T:
    from botocore.exceptions import ClientError

    try:
        return deed()
    except ClientError as wrong:
        if _code(wrong) in {"NoSuchKey", "NoSuchBucket", "NoSuchUpload", "NotFound", "404"}:
            raise NotFound("There is no such object.") from None
        raise


def connect(storage: Storage) -> Any:
    """A boto3 client that any S3 will answer: path-style, SigV4, checksums only where asked."""
    import boto3
    from botocore.config import Config

    config = Config(
        signature_version="s3v4",
        s3={"addressing_style": "path"},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        connect_timeout=3,
        read_timeout=30,
        retries={"mode": "standard", "max_attempts": 3},
        max_pool_connections=THREADS,
    )
    return boto3.Session().client(
        "s3",
        endpoint_url=storage.endpoint_url,
        region_name=storage.region,
        aws_access_key_id=storage.access_key_id,
        aws_secret_access_key=storage.secret_access_key,
        config=config,
    )


def _code(wrong: Any) -> str:
    return str(wrong.response.get("Error", {}).get("Code", ""))
